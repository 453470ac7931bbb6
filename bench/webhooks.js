// node bench/webhooks.js [--before <dist>]: what events cost deletes, and how long one takes. Bursts of deletes run by turns
// without anyone who is told, and with a webhook and ten subscriptions; with --before, also on another build, such as one
// without events, which has a database of the same PostgreSQL. All servers run all the time, so that a disturbance of the machine affects all
// alike. Then single commits are timed until they reach the webhook and a subscription: those of the server that sends
// them, and those of another process, which it finds by polling. Requires `npm run build`.
import { once } from 'node:events';
import { createServer, request } from 'node:http';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import pg from 'pg';
import { fillSql } from './group-row.js';
import { openBenchDatabase } from './database.js';
import { median } from './median.js';
import { adminKey, patient, peers } from './peers.js';
import { runCheckedLoad } from './run-load.js';
import { startPeer } from './server.js';

const { values: options } = parseArgs({
  options: {
    before: { type: 'string' },
    seconds: { type: 'string', default: '4' },
    rounds: { type: 'string', default: '6' },
    connections: { type: 'string', default: '32' },
    listeners: { type: 'string', default: '10' },
    /** Single commits that are timed, of each kind. */
    timed: { type: 'string', default: '200' },
  },
});
const [seconds, rounds, connections, timed] = ['seconds', 'rounds', 'connections', 'timed'].map((name) =>
  Number(options[name]),
);
const ours = peers.find(({ name }) => name === 'ours');
/** Servers look for webhooks every two seconds. */
const webhookPollMs = 2500;

/** When the deletes of groups have reached the webhook and a subscription, by the id of the group. */
const arrivals = { webhook: new Map(), subscription: new Map() };
const receiver = createServer(async (message, response) => {
  const chunks = [];
  for await (const chunk of message) chunks.push(chunk);
  const { type, data } = JSON.parse(Buffer.concat(chunks));
  if (type === 'group.deleted') arrivals.webhook.set(data.group.id, performance.now());
  response.writeHead(204).end();
}).listen(0, '127.0.0.1');
await once(receiver, 'listening');

const database = await openBenchDatabase(1);
const settings = {
  ...ours.settings,
  WEBHOOK_ALLOW_HTTP: 'true',
  WEBHOOK_ALLOWED_NETWORKS: '127.0.0.0/8',
  SAMPLE_DATA: 'false',
};
const start = async (script, { url, sql } = database) => ({
  ...(await startPeer(patient({ ...ours, settings, script }), url)),
  sql,
});

/** Opens an empty database in the same PostgreSQL, for a build that does not know the migrations of this one. */
async function openEmptyDatabase() {
  await database.sql('CREATE DATABASE other_build');
  const url = new URL(database.url);
  url.pathname = '/other_build';
  const pool = new pg.Pool({ host: database.host, user: url.username, database: 'other_build', max: 2 });
  pool.on('error', () => undefined);
  return {
    url: url.href,
    sql: async (text, values) => (await pool.query(text, values)).rows,
    close: () => pool.end(),
  };
}

/** Creates groups by SQL, without events, and returns the first id. */
async function createGroups(count, { sql } = database) {
  const [{ id }] = await sql(
    `SELECT setval('groups_id_seq', nextval('groups_id_seq') + $1::int)::int - $1::int AS id`,
    [count],
  );
  await sql(
    fillSql(count)
      .replace('INTO groups (', 'INTO groups (id, ')
      .replace("SELECT '", "OVERRIDING SYSTEM VALUE SELECT id, '")
      .replace('generate_series(1, ', `generate_series(${id}, ${id} - 1 + `),
  );
  return id;
}

/** Opens a subscription to the deletes, and returns what ends it. */
async function listen(port) {
  const body = JSON.stringify({ query: 'subscription { groupEvents(types: [GROUP_DELETED]) { data } }' });
  const headers = { 'Content-Type': 'application/json', Accept: 'text/event-stream', 'X-APIKEY': adminKey };
  const sent = request({ host: '127.0.0.1', port, path: '/graphql', method: 'POST', headers, agent: false });
  sent.on('error', () => undefined).end(body);
  const [response] = await once(sent, 'response');
  if (response.statusCode !== 200) throw new Error(`The subscription was rejected: ${response.statusCode}`);
  let rest = '';
  response
    .on('error', () => undefined)
    .on('data', (chunk) => {
      const results = (rest + chunk).split('\n\n');
      rest = results.pop();
      for (const result of results) {
        const [, id] = /"group":\{[^{}]*?"id":(\d+)/.exec(result) ?? [];
        if (id && !arrivals.subscription.has(Number(id)))
          arrivals.subscription.set(Number(id), performance.now());
      }
    });
  return () => sent.destroy();
}

/** Tells a webhook and the subscriptions about the deletes of a server from now on; returns what ends that. */
async function tell(port) {
  await database.sql(
    `INSERT INTO webhook_endpoints (url, secret, cursor)
     SELECT $1, 'whsec_c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0', coalesce(
       (SELECT id || '-' || (extract(epoch FROM at) * 1000)::bigint FROM audit_events ORDER BY id DESC LIMIT 1), '0-0')`,
    [`http://127.0.0.1:${receiver.address().port}/`],
  );
  const closing = [];
  for (let count = 0; count < Number(options.listeners); count++) closing.push(await listen(port));
  await sleep(webhookPollMs);
  return async () => {
    for (const close of closing) close();
    await database.sql('DELETE FROM webhook_endpoints');
    await sleep(webhookPollMs);
  };
}

async function burst(server) {
  const count = seconds * 3500;
  const firstId = await createGroups(count, server);
  const before = { server: server.cpuSeconds(), database: database.cpuSeconds() };
  const run = await runCheckedLoad(ours, [server], { firstId, connections, seconds, requests: count });
  const cpuMs = (name, after) => ((after - before[name]) * 1000) / run.answered;
  return {
    perSecond: run.perSecond,
    serverMs: cpuMs('server', server.cpuSeconds()),
    databaseMs: cpuMs('database', database.cpuSeconds()),
  };
}

/** Times single commits until they arrive, in milliseconds, as sorted lists. */
async function timeCommits(commit) {
  const first = await createGroups(timed);
  const delays = { webhook: [], subscription: [] };
  for (let id = first; id < first + timed; id++) {
    await commit(id);
    const committedAt = performance.now();
    while (!arrivals.webhook.has(id) || !arrivals.subscription.has(id)) await sleep(1);
    for (const [name, times] of Object.entries(arrivals))
      delays[name].push(Math.max(0, times.get(id) - committedAt));
    // So that the polls of the server are at any phase.
    await sleep(50 + 200 * Math.random());
  }
  for (const list of Object.values(delays)) list.sort((one, other) => one - other);
  return delays;
}

const servers = [];
let otherDatabase;
try {
  const own = await start(ours.script);
  servers.push(own);
  const kinds = [
    { name: 'no one is told', server: own },
    { name: `a webhook and ${options.listeners} subscriptions`, server: own, isTold: true },
  ];
  if (options.before !== undefined) {
    otherDatabase = await openEmptyDatabase();
    const other = await start(join(resolve(options.before), 'main.js'), otherDatabase);
    servers.push(other);
    kinds.unshift({ name: 'the other build', server: other });
  }
  for (const server of servers) await burst(server);

  const bursts = new Map(kinds.map(({ name }) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    for (const { name, server, isTold } of round % 2 ? kinds.toReversed() : kinds) {
      const stop = isTold ? await tell(server.port) : undefined;
      bursts.get(name).push(await burst(server));
      await stop?.();
    }
    const rates = [...bursts].map(([name, list]) => `${name} ${list.at(-1).perSecond.toFixed(0)}`);
    process.stderr.write(`round ${round + 1}, deletes/s: ${rates.join(', ')}\n`);
  }
  const [base] = bursts.values();
  console.log(`Medians of ${rounds} rounds; the ratio is to the first line, round by round:`);
  console.table(
    [...bursts].map(([name, list]) => ({
      '': name,
      'deletes/s': Math.round(median(list.map(({ perSecond }) => perSecond))),
      ratio: round2(median(list.map(({ perSecond }, round) => perSecond / base[round].perSecond))),
      'server, CPU ms a delete': round2(median(list.map(({ serverMs }) => serverMs))),
      'PostgreSQL, CPU ms a delete': round2(median(list.map(({ databaseMs }) => databaseMs))),
    })),
  );

  await tell(own.port);
  const commits = {
    'this server': async (id) => {
      const response = await fetch(`http://127.0.0.1:${own.port}/deleteGroup`, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json', 'X-APIKEY': adminKey },
        body: JSON.stringify({ id }),
      });
      if (response.status !== 200) throw new Error(`deleteGroup: ${response.status}`);
      await response.text();
    },
    // What the server sees of a delete that another one has committed.
    'another process': (id) =>
      database.sql(
        `INSERT INTO audit_events (account, credential, address, request_id, operation, target_ids, outcome, before)
         SELECT 'admin', 'api-key', '127.0.0.1', 'r', 'deleteGroup', ARRAY[id::text], 'done', to_jsonb(groups)
         FROM groups WHERE id = $1`,
        [id],
      ),
  };
  console.log(`From the response of a delete, or the commit, until it arrives, of ${timed} each, in ms:`);
  const rows = [];
  for (const [by, commit] of Object.entries(commits)) {
    const delays = await timeCommits(commit);
    for (const [to, list] of Object.entries(delays)) {
      const at = (part) => Number(list[Math.floor(part * list.length)].toFixed(1));
      rows.push({ 'committed by': by, 'arrives at the': to, p50: at(0.5), p99: at(0.99) });
    }
  }
  console.table(rows);
} finally {
  await Promise.all(servers.map((server) => server.stop()));
  receiver.closeAllConnections();
  receiver.close();
  await otherDatabase?.close();
  await database.close();
}

function round2(value) {
  return Math.round(value * 100) / 100;
}
