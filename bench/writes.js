// node bench/writes.js [--base <folder>] [--turns 5]: compares the mutations that write with Prisma's own writes behind
// Apollo Server, and with another build of group-api (a folder with its `dist`), by turns: all servers run, and bursts
// go to one after the other. Prints medians: p50, requests a second, and CPU a request. Requires `npm run build`.
import { connect } from 'node:net';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { fileURLToPath } from 'node:url';
import { openBenchDatabase } from './database.js';
import { twelveFields } from './group-row.js';
import { patient, peers } from './peers.js';
import { startPeer, stopPeers } from './server.js';

const { values: options } = parseArgs({
  options: {
    base: { type: 'string' },
    turns: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '2' },
    connections: { type: 'string', default: '1,64' },
    only: { type: 'string' },
    groups: { type: 'string', default: '400000' },
  },
});
const turns = Number(options.turns);
const burstMs = Number(options.seconds) * 1000;
const groupCount = Number(options.groups);

const group = (n) => ({ name: `New ${n}`, tagName: 't', duration: 30, price: '9.99' });
/** Each mutation: its query, and its variables for the n-th request. */
const operations = {
  createGroup: {
    query: `mutation ($group: GroupEdit!) { createGroup (group: $group) { ${twelveFields} } }`,
    variables: (n) => ({ group: group(n) }),
  },
  editGroup: {
    query: `mutation ($id: Int!, $group: GroupEdit!) { editGroup (id: $id, group: $group) { ${twelveFields} } }`,
    variables: (n) => ({ id: groupCount - (n % 1000), group: { price: `${n % 100}.50` } }),
  },
  subscribe: {
    query:
      'mutation ($username: String!, $groupId: Int!) { subscribe (username: $username, groupId: $groupId) { username } }',
    variables: (n) => ({ username: `new-${n}`, groupId: groupCount - (n % 1000) }),
  },
  removeUserSubscription: {
    query:
      'mutation ($username: String!, $groupId: Int!) { removeUserSubscription (username: $username, groupId: $groupId) { username } }',
    variables: (n) => ({ username: `user-${n}`, groupId: groupCount - (n % 1000) }),
  },
  deleteGroup: {
    query: `mutation ($id: Int!) { deleteGroup (id: $id) { ${twelveFields} } }`,
    variables: (n) => ({ id: n }),
    isOursOnly: true,
  },
  deleteGroups: {
    query: `mutation ($ids: [Int!]!) { deleteGroups (ids: $ids) { ${twelveFields} } }`,
    variables: (n) => ({
      ids: Array.from({ length: 1000 }, (_, index) => groupCount / 2 + (n - 1) * 1000 + index),
    }),
    isOursOnly: true,
    perBurst: 6,
  },
};

const ours = patient(peers.find(({ name }) => name === 'ours'));
const candidates = [
  { ...ours, name: 'ours' },
  ...(options.base ? [{ ...ours, name: 'base', script: join(resolve(options.base), 'dist/main.js') }] : []),
  {
    name: 'prisma',
    path: '/graphql',
    headers: {},
    settings: {},
    script: fileURLToPath(new URL('servers/apollo-prisma-writes.js', import.meta.url)),
  },
];

const database = await openBenchDatabase(groupCount);
try {
  await database.sql(
    `INSERT INTO subscribers (username, group_id, starts_at)
     SELECT 'user-' || n, $1::int - n % 1000, now() FROM generate_series(1, $1::int) n`,
    [groupCount],
  );
  await database.sql('VACUUM ANALYZE');
  for (const peer of candidates) peer.server = await startPeer(peer, database.url);
  process.stdout.write(
    '| mutation | connections | server | p50 ms | requests/s | CPU of the server, µs | CPU of the database, µs |\n' +
      '| --- | --- | --- | --- | --- | --- | --- |\n',
  );
  for (const [name, operation] of Object.entries(operations)) {
    if (options.only && !options.only.split(',').includes(name)) continue;
    let next = 1;
    for (const connections of options.connections.split(',').map(Number)) {
      if (name === 'deleteGroups' && connections > 1) continue;
      const measured = candidates.filter(({ name: peer }) => peer !== 'prisma' || !operation.isOursOnly);
      const results = new Map(measured.map(({ name: peer }) => [peer, []]));
      for (let turn = -1; turn < turns; turn++) {
        for (const peer of turn % 2 === 0 ? measured : measured.toReversed()) {
          const result = await burst(peer, { operation, connections, take: () => next++ });
          if (turn >= 0) results.get(peer.name).push(result);
        }
      }
      for (const [peer, bursts] of results) {
        const median = (key) => bursts.map((one) => one[key]).toSorted((a, b) => a - b)[bursts.length >> 1];
        process.stdout.write(
          `| ${name} | ${connections} | ${peer} | ${median('p50').toFixed(2)} | ${median('perSecond').toFixed(0)} | ` +
            `${median('serverUs').toFixed(0)} | ${median('databaseUs').toFixed(0)} |\n`,
        );
      }
    }
  }
  for (const { name, server } of candidates)
    process.stdout.write(`peak memory of ${name}: ${server.peakMemoryMb().toFixed(0)} MB\n`);
} finally {
  await stopPeers();
  await database.close();
}

/** Sends requests over a fixed number of connections, each its next one after the response to the last one. */
async function burst({ server, headers }, { operation, connections, take }) {
  const before = { server: server.cpuSeconds(), database: database.cpuSeconds() };
  const latencies = [];
  const startedAt = performance.now();
  const endsAt = startedAt + burstMs;
  const work = () =>
    new Promise((done, reject) => {
      const socket = connect(server.port, '127.0.0.1');
      socket.setNoDelay(true);
      const head = Object.entries({ Host: '127.0.0.1', 'Content-Type': 'application/json', ...headers });
      let received = '';
      let sentAt = 0;
      const send = () => {
        if (performance.now() >= endsAt || latencies.length >= (operation.perBurst ?? Infinity)) {
          socket.destroy();
          return done();
        }
        const body = JSON.stringify({ query: operation.query, variables: operation.variables(take()) });
        const lines = [...head, ['Content-Length', body.length]].map(
          ([key, value]) => `${key}: ${value}\r\n`,
        );
        sentAt = performance.now();
        socket.write(`POST /graphql HTTP/1.1\r\n${lines.join('')}\r\n${body}`);
      };
      socket.on('connect', send);
      socket.on('error', reject);
      socket.on('data', (chunk) => {
        received += chunk.toString('latin1');
        const headEnd = received.indexOf('\r\n\r\n');
        const length = /\r\ncontent-length: (\d+)/i.exec(received.slice(0, headEnd + 2))?.[1];
        if (headEnd === -1 || received.length < headEnd + 4 + Number(length)) return;
        // On a busy machine a request may wait too long for a connection.
        const isBusy = received.includes('"SERVICE_UNAVAILABLE"');
        if (received.includes('"errors"') && !isBusy)
          return reject(new Error(received.slice(headEnd, headEnd + 500)));
        if (!isBusy) latencies.push(performance.now() - sentAt);
        received = '';
        send();
      });
    });
  await Promise.all(Array.from({ length: connections }, work));
  const seconds = (performance.now() - startedAt) / 1000;
  const microseconds = (spent) => (spent / latencies.length) * 1e6;
  return {
    p50: latencies.toSorted((a, b) => a - b)[latencies.length >> 1],
    perSecond: latencies.length / seconds,
    serverUs: microseconds(server.cpuSeconds() - before.server),
    databaseUs: microseconds(database.cpuSeconds() - before.database),
  };
}
