// node bench/webhooks.js: measures what a webhook costs deletes, and how long an event takes to its receiver. Bursts of
// deletes without and with a webhook run by turns, on one server and its embedded PostgreSQL, in a new folder. Requires
// `npm run build`.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { Agent, createServer, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import pg from 'pg';

const { values: options } = parseArgs({
  options: {
    seconds: { type: 'string', default: '4' },
    rounds: { type: 'string', default: '6' },
    connections: { type: 'string', default: '32' },
    /** Deletes one at a time, whose events are timed. */
    timed: { type: 'string', default: '200' },
  },
});
const key = 'a-key-for-the-benchmark-of-webhooks-........';
const folder = await mkdtemp(join(tmpdir(), 'group-api-webhooks-'));
// For the user of PostgreSQL, if the benchmark runs as root.
await chmod(folder, 0o755);
const arrivals = new Map();
const receiver = createServer(async (message, response) => {
  const chunks = [];
  for await (const chunk of message) chunks.push(chunk);
  const { type, data } = JSON.parse(Buffer.concat(chunks));
  if (type === 'group.deleted') arrivals.set(data.group.id, performance.now());
  response.writeHead(204).end();
}).listen(0, '127.0.0.1');
await once(receiver, 'listening');

const server = spawn(process.execPath, [fileURLToPath(new URL('../dist/main.js', import.meta.url))], {
  cwd: folder,
  env: {
    PATH: process.env.PATH,
    PORT: '0',
    DATA_DIR: join(folder, 'data'),
    ADMIN_API_KEY: key,
    LOG_LEVEL: 'error',
    SAMPLE_DATA: 'false',
    MAX_EVENT_LOOP_DELAY_MS: '60000',
    WEBHOOK_ALLOW_HTTP: 'true',
    WEBHOOK_ALLOWED_NETWORKS: '127.0.0.0/8',
  },
  stdio: ['ignore', 'pipe', 'inherit'],
});
let output = '';
for await (const chunk of server.stdout) if (/GraphQL +\S+\/graphql/.test((output += chunk))) break;
const { port } = new URL(/GraphQL +(\S+)\/graphql/.exec(output)[1]);
const database = new pg.Client({
  host: join(folder, 'data', 'postgres'),
  user: 'postgres',
  database: 'postgres',
});
await database.connect();
const agent = new Agent({ keepAlive: true });

/** Deletes a group, and returns whether it was deleted. */
async function deleteGroup(id) {
  const body = JSON.stringify({ id });
  const headers = { 'Content-Type': 'application/json', 'X-APIKEY': key, 'Content-Length': body.length };
  const sent = request({ host: '127.0.0.1', port, path: '/deleteGroup', method: 'POST', headers, agent });
  sent.end(body);
  const [response] = await once(sent, 'response');
  response.resume();
  await once(response, 'end');
  return response.statusCode === 200;
}

/** Creates groups by SQL, without events, and returns the first id. */
async function createGroups(count) {
  const { rows } = await database.query(
    `INSERT INTO groups (name, tag_name, duration, price)
     SELECT 'Plan ' || n, 'plan', 30, 9.9 FROM generate_series(1, $1::int) n RETURNING id`,
    [count],
  );
  return Math.min(...rows.map(({ id }) => id));
}

async function setWebhook(isOn) {
  await database.query('DELETE FROM webhook_endpoints');
  if (isOn)
    await database.query(
      `INSERT INTO webhook_endpoints (url, secret, cursor)
       SELECT $1, 'whsec_c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0', coalesce(
         (SELECT id || '-' || (extract(epoch FROM at) * 1000)::bigint FROM audit_events ORDER BY id DESC LIMIT 1), '0-0')`,
      [`http://127.0.0.1:${receiver.address().port}/`],
    );
  // A server looks for webhooks every two seconds.
  await sleep(2500);
}

async function burst() {
  const first = await createGroups(Number(options.seconds) * 8000);
  let next = first;
  let count = 0;
  const end = performance.now() + Number(options.seconds) * 1000;
  const work = async () => {
    while (performance.now() < end) if (await deleteGroup(next++)) count++;
  };
  await Promise.all(Array.from({ length: Number(options.connections) }, work));
  return count / Number(options.seconds);
}

try {
  await burst();
  const ratios = [];
  for (let round = 0; round < Number(options.rounds); round++) {
    const rates = {};
    for (const isOn of round % 2 ? [true, false] : [false, true]) {
      await setWebhook(isOn);
      rates[isOn ? 'with' : 'without'] = await burst();
    }
    ratios.push(rates.with / rates.without);
    console.log(`deletes/s without ${rates.without.toFixed(0)}, with a webhook ${rates.with.toFixed(0)}`);
  }
  ratios.sort((one, other) => one - other);
  console.log(`median ratio ${ratios[Math.floor(ratios.length / 2)].toFixed(2)}`);

  await setWebhook(false);
  await setWebhook(true);
  const first = await createGroups(Number(options.timed));
  const delays = [];
  for (let id = first; id < first + Number(options.timed); id++) {
    await deleteGroup(id);
    const deletedAt = performance.now();
    while (!arrivals.has(id)) await sleep(1);
    delays.push(arrivals.get(id) - deletedAt);
    await sleep(100);
  }
  delays.sort((one, other) => one - other);
  const at = (part) => delays[Math.floor(part * delays.length)].toFixed(0);
  console.log(`response to receiver: p50 ${at(0.5)} ms, p99 ${at(0.99)} ms`);
} finally {
  await database.end();
  agent.destroy();
  receiver.close();
  const exited = once(server, 'exit');
  server.kill('SIGTERM');
  await exited;
  await rm(folder, { recursive: true, force: true });
}
