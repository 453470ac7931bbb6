// node bench/cost.js: measures what a request costs: CPU of the server and of PostgreSQL, WAL and disk. Prints the table
// of docs/scaling.md, and the cores, connections and disk that follow from it. Requires `npm run build`. CPU times change
// little on a machine that others use too; requests per second do, and are not measured.
import { writeFile } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { openBenchDatabase } from './database.js';
import { twelveFields } from './group-row.js';
import { adminKey, patient, peers } from './peers.js';
import { startPeer, stopPeers } from './server.js';
import { describeTables } from './sizing.js';

const { values: options } = parseArgs({
  options: {
    groups: { type: 'string', default: '200000' },
    subscribers: { type: 'string', default: '1000000' },
    requests: { type: 'string', default: '4000' },
    connections: { type: 'string', default: '16' },
    /** Where to store the figures, such as bench/results/cost.json. */
    out: { type: 'string' },
  },
});
const groupCount = Number(options.groups);
const subscriberCount = Number(options.subscribers);
const requestCount = Number(options.requests);
const connectionCount = Number(options.connections);
const warmUpCount = Math.ceil(requestCount / 2);

let lastGroup = 0;
/** By operation: its query, and its n-th request. The groups that a delete takes have no subscribers. */
const operations = {
  deleteGroup: {
    query: `mutation ($id: Int!) { deleteGroup (id: $id) { ${twelveFields} } }`,
    send: () => ({ variables: { id: ++lastGroup } }),
  },
  'deleteGroup, one at a time': {
    query: `mutation ($id: Int!) { deleteGroup (id: $id) { ${twelveFields} } }`,
    send: () => ({ variables: { id: ++lastGroup } }),
    connections: 1,
  },
  'deleteGroup with Idempotency-Key': {
    query: `mutation ($id: Int!) { deleteGroup (id: $id) { ${twelveFields} } }`,
    send: (n) => ({ variables: { id: ++lastGroup }, key: `key-${n}` }),
  },
  'replay of a deleteGroup': {
    query: `mutation ($id: Int!) { deleteGroup (id: $id) { ${twelveFields} } }`,
    // The keys of the operation before, whose ids are the last ones.
    send: (n) => ({ variables: { id: lastGroup - (requestCount + warmUpCount) + 1 + n }, key: `key-${n}` }),
  },
  createGroup: {
    query: `mutation ($group: GroupEdit) { createGroup (group: $group) { ${twelveFields} } }`,
    send: (n) => ({
      variables: {
        group: { name: `New ${n}`, description: 'A new group', tagName: 'new', duration: 30, price: '9.90' },
      },
    }),
  },
  editGroup: {
    query: `mutation ($id: Int!, $group: GroupEdit) { editGroup (id: $id, group: $group) { ${twelveFields} } }`,
    send: (n) => ({ variables: { id: groupCount - n, group: { price: `${n % 100}.50` } } }),
  },
  subscribe: {
    query:
      'mutation ($username: String!, $groupId: Int!) { subscribe (username: $username, groupId: $groupId) { username } }',
    send: (n) => ({ variables: { username: `new-${n}`, groupId: groupCount - (n % 1000) } }),
  },
  searchGroups: {
    query: `query ($first: Int) { searchGroups (first: $first) { nodes { ${twelveFields} } pageInfo { hasNextPage } } }`,
    send: () => ({ variables: { first: 50 } }),
  },
  group: {
    query: `query ($id: Int) { group (id: $id) { ${twelveFields} } }`,
    send: (n) => ({ variables: { id: groupCount - n } }),
  },
};

const say = (line) => process.stderr.write(`${line}\n`);
const database = await openBenchDatabase(groupCount);
try {
  // Subscribers of the last half of the groups, so that the first half can be deleted.
  await database.sql(
    `INSERT INTO subscribers (username, group_id, starts_at)
     SELECT 'user-' || n, $1::int / 2 + 1 + n % ($1::int / 2 - 1), now() FROM generate_series(1, $2::int) n`,
    [groupCount, subscriberCount],
  );
  await database.sql('VACUUM ANALYZE');
  const [rows] = await database.sql(
    `SELECT pg_total_relation_size('groups')::float8 / $1 AS group, pg_total_relation_size('subscribers')::float8 / $2 AS subscriber`,
    [groupCount, subscriberCount],
  );
  const server = await startPeer(patient(peers.find(({ name }) => name === 'ours')), database.url);
  const costs = {};
  for (const [name, operation] of Object.entries(operations)) {
    await run(server, operation, 0, warmUpCount);
    const before = await read(server);
    await run(server, operation, warmUpCount, requestCount);
    const after = await read(server);
    costs[name] = Object.fromEntries(
      Object.entries(after).map(([key, value]) => [key, (value - before[key]) / requestCount]),
    );
    say(`${name}: ${JSON.stringify(costs[name])}`);
  }
  const measured = {
    at: new Date().toISOString(),
    node: process.version,
    postgres: (await database.sql('SHOW server_version'))[0].server_version,
    cpu: `${cpus().length} × ${cpus()[0].model}`,
    groups: groupCount,
    subscribers: subscriberCount,
    requests: requestCount,
    connections: connectionCount,
    rows,
    costs,
  };
  if (options.out) await writeFile(options.out, `${JSON.stringify(measured, null, 2)}\n`);
  process.stdout.write(describeTables(measured));
} finally {
  await stopPeers();
  await database.close();
}

/** Returns the counters so far: CPU in milliseconds, and bytes. */
async function read(server) {
  const [bytes] = await database.sql(
    `SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::float8 AS wal,
       (SELECT sum(pg_total_relation_size(oid))::float8 FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace) AS disk`,
  );
  return {
    serverMs: server.cpuSeconds() * 1000,
    databaseMs: database.cpuSeconds() * 1000,
    walBytes: bytes.wal,
    diskBytes: bytes.disk,
  };
}

/** Sends `count` requests from the `first` on, over a fixed number of connections. */
async function run({ port }, { query, send, connections = connectionCount }, first, count) {
  const agent = new Agent({ keepAlive: true, maxSockets: connections });
  let next = first;
  const work = async () => {
    while (next < first + count) {
      const { variables, key } = send(next++);
      const body = JSON.stringify({ query, variables });
      let text = await post(port, agent, body, key);
      // On a busy machine a request may wait too long for a connection; nothing was executed then.
      while (text.includes('"SERVICE_UNAVAILABLE"')) text = await post(port, agent, body, key);
      if (text.includes('"errors"')) throw new Error(`${body}: ${text}`);
    }
  };
  await Promise.all(Array.from({ length: connections }, work));
  agent.destroy();
}

function post(port, agent, body, key) {
  return new Promise((resolve, reject) => {
    const headers = {
      'Content-Type': 'application/json',
      'Content-Length': Buffer.byteLength(body),
      'X-APIKEY': adminKey,
      ...(key && { 'Idempotency-Key': key }),
    };
    const sent = request({ port, host: '127.0.0.1', path: '/graphql', method: 'POST', agent, headers });
    sent.on('response', (response) => {
      let text = '';
      response.on('data', (chunk) => (text += chunk));
      response.on('end', () => resolve(text));
    });
    sent.on('error', reject);
    sent.end(body);
  });
}
