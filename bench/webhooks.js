// node bench/webhooks.js [--deletes 200]: how long an event takes from the response of its delete to the receiver of a webhook,
// for deletes one at a time on an idle server: with one server, and with two, either of which may send it. Requires
// `npm run build`.
import { once } from 'node:events';
import { createServer } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { openBenchDatabase } from './database.js';
import { patient, peers } from './peers.js';
import { runCheckedLoad } from './run-load.js';
import { startPeer, stopPeers } from './server.js';

const { values: options } = parseArgs({ options: { deletes: { type: 'string', default: '200' } } });
const deletes = Number(options.deletes);
const warmUpRequests = 2000;
const pauseMs = 100;
const ours = peers.find(({ name }) => name === 'ours');

const arrivals = new Map();
const receiver = createServer(async (message, response) => {
  const chunks = [];
  for await (const chunk of message) chunks.push(chunk);
  const { type, data } = JSON.parse(Buffer.concat(chunks));
  if (type === 'group.deleted') arrivals.set(data.group.id, performance.now());
  response.writeHead(204).end();
}).listen(0, '127.0.0.1');
await once(receiver, 'listening');

const database = await openBenchDatabase(2 * (warmUpRequests + deletes));
let nextId = 1;
try {
  const start = () =>
    startPeer(
      patient({
        ...ours,
        settings: {
          ...ours.settings,
          WEBHOOK_ALLOW_HTTP: 'true',
          WEBHOOK_ALLOWED_NETWORKS: '127.0.0.0/8',
        },
      }),
      database.url,
    );
  await database.sql(
    `INSERT INTO webhook_endpoints (url, secret, cursor) VALUES ($1, 'whsec_c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0', '0-0')`,
    [`http://127.0.0.1:${receiver.address().port}/`],
  );
  const servers = [];
  for (const title of ['one server', 'two servers']) {
    servers.push(await start());
    const task = { firstId: nextId, connections: 8, seconds: 60, requests: warmUpRequests };
    nextId = (await runCheckedLoad(ours, servers, task)).lastId + 1;
    await waitFor(nextId - 1);
    // Until the server that sends is idle, too.
    await sleep(1000);
    const delays = [];
    for (let index = 0; index < deletes; index++) {
      const id = nextId++;
      await deleteGroup(servers[0], id);
      const deletedAt = performance.now();
      await waitFor(id);
      delays.push(arrivals.get(id) - deletedAt);
      await sleep(pauseMs);
    }
    delays.sort((one, other) => one - other);
    const at = (part) => delays[Math.floor(part * delays.length)].toFixed(1);
    console.log(`${title}: from the response to the receiver p50 ${at(0.5)} ms, p99 ${at(0.99)} ms`);
  }
} finally {
  await stopPeers();
  receiver.close();
  await database.close();
}

async function waitFor(id) {
  for (const deadline = performance.now() + 60_000; !arrivals.has(id);) {
    if (performance.now() > deadline) throw new Error(`the event of group ${id} did not arrive`);
    await sleep(1);
  }
}

async function deleteGroup({ port }, id) {
  const response = await fetch(`http://127.0.0.1:${port}/deleteGroup`, {
    method: 'POST',
    headers: { ...ours.headers, 'Content-Type': 'application/json' },
    body: JSON.stringify({ id }),
  });
  if (response.status !== 200) throw new Error(`deleteGroup returned ${response.status}`);
  await response.text();
}
