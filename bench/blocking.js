// node bench/blocking.js: measures how long the largest requests that the default limits accept, or reject, block the event
// loop of the server. Requires `npm run build`.
import { fork } from 'node:child_process';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { getIntrospectionQuery } from 'graphql';
import { openBenchDatabase } from './database.js';
import { twelveFields } from './group-row.js';
import { adminKey } from './peers.js';

const { values: options } = parseArgs({
  options: {
    runs: { type: 'string', default: '7' },
    only: { type: 'string', default: '' },
    /** The server to measure, such as the one of another build. */
    script: { type: 'string', default: fileURLToPath(new URL('../dist/main.js', import.meta.url)) },
  },
});
const runs = Number(options.runs);
/** The longest unpaginated list, and the largest body. */
const groupCount = 10_000;
const bodyBytes = 1024 * 1024;

const graphql = (query, variables) => JSON.stringify({ query, variables });
/** Fills a text up to the largest body. */
const fill = (part, before = '', after = '') =>
  before + part.repeat(Math.floor((bodyBytes - before.length - after.length - 100) / part.length)) + after;
const deleteMany = 'mutation ($ids: [Int!]!) { deleteGroups(ids: $ids) { id } }';
/** After the groups with subscribers. */
let nextId = 1001;

/** By name: the body of the request. */
const requests = {
  introspection: () => graphql(getIntrospectionQuery()),
  'allGroups, 12 fields of 10,000': () => graphql(`{ allGroups { ${twelveFields} } }`),
  'allGroups, nested': () => graphql(`{ allGroups { ${twelveFields} serviceGroup { id name } } }`),
  'allGroups, once for each of 14 aliases': () =>
    graphql(`{ ${Array.from({ length: 14 }, (_, n) => `a${n}: allGroups { id }`).join(' ')} }`),
  'allGroups { id } written 240 times': () => graphql(`{ ${'allGroups { id } '.repeat(240)} }`),
  'searchGroups, 200 nodes with subscribers': () =>
    graphql('{ searchGroups(first: 200) { nodes { id subscribers(first: 200) { nodes { username } } } } }'),
  'searchGroups, 20 pages of 200 nodes': () =>
    graphql(
      `{ ${Array.from({ length: 20 }, (_, n) => `a${n}: searchGroups(first: 200) { nodes { ${twelveFields} } }`).join(' ')} }`,
    ),
  'searchGroups, 20 pages of 200 nodes under an alias': () =>
    graphql(
      `{ ${Array.from({ length: 20 }, (_, n) => `a${n}: searchGroups(first: 200) { list: nodes { ${twelveFields} } }`).join(' ')} }`,
    ),
  'deleteGroups, 1,000 ids, 12 fields': () => {
    const ids = Array.from({ length: 1000 }, () => nextId++);
    return graphql(`mutation ($ids: [Int!]!) { deleteGroups(ids: $ids) { ${twelveFields} } }`, { ids });
  },
  'deleteGroups, 1 MiB of ids': () => fill('1,', `{"query":"${deleteMany}","variables":{"ids":[`, '1]}}'),
  'deleteGroups, 1 MiB of wrong ids': () =>
    fill('"",', `{"query":"${deleteMany}","variables":{"ids":[`, '1]}}'),
  'deleteGroups, 19,000 ids': () =>
    graphql(deleteMany, { ids: Array.from({ length: 19_000 }, (_, index) => index + 1) }),
  'deleteGroups, 19,000 wrong ids': () =>
    graphql(deleteMany, { ids: Array.from({ length: 19_000 }, () => 'x'.repeat(40)) }),
  '64 KiB with a repeated key': () =>
    `{"query":"{__typename}","variables":{"x":[${'{"a":1},'.repeat(6000)}1],"x":1}}`,
  '64 KiB of lines in a block string': () =>
    graphql(
      `{ searchGroups(filter: { text: """${'\n'.repeat(2000)}${'x '.repeat(30_000)}""" }) { nodes { id } } }`,
    ),
  '2,400 lines in a query with 100 errors': () =>
    graphql(`{${'\n'.repeat(2300)}${Array.from({ length: 100 }, (_, n) => ` x${n}`).join('')}}`),
  '1 MiB of unknown variables': () => fill('{"a":1},', '{"query":"{__typename}","variables":{"x":[', '1]}}'),
  '1 MiB in one variable': () =>
    fill(
      'x',
      '{"query":"query ($t: String) { searchGroups(filter: { text: $t }) { nodes { id } } }","variables":{"t":"',
      '"}}',
    ),
  '1 MiB of nested lists': () => {
    const levels = bodyBytes / 2 - 200;
    return `{"query":"{__typename}","variables":{"x":${'['.repeat(levels)}${']'.repeat(levels)}}}`;
  },
  '1 MiB with a repeated key': () =>
    fill('{"a":1},', '{"query":"{__typename}","variables":{"x":[', '1],"x":1}}'),
  '1 MiB of tokens': () => graphql(fill('a ', '{', '}')),
  '1 MiB of commas in a query': () => graphql(fill(',', '{__typename', '}')),
  '1 MiB of lines in a query with 100 errors': () =>
    fill('\\n', '{"query":"{', `${Array.from({ length: 100 }, (_, n) => ` x${n}`).join('')}}"}`),
  '1 MiB in a string of a query': () =>
    graphql(fill('x', '{ searchGroups(filter: { text: "', '" }) { nodes { id } } }')),
  '1 MiB of lines in a block string': () =>
    fill('\\n', '{"query":"{ searchGroups(filter: { text: \\"\\"\\"', 'x\\"\\"\\" }) { nodes { id } } }"}'),
};

const database = await openBenchDatabase(groupCount);
const port = await findFreePort();
const server = fork(options.script, {
  cwd: tmpdir(),
  execArgv: ['--import', new URL('servers/loop-probe.js', import.meta.url).href],
  env: {
    PATH: process.env.PATH,
    NODE_ENV: 'production',
    DATABASE_URL: database.url,
    PORT: String(port),
    ADMIN_API_KEY: adminKey,
    LOG_LEVEL: 'silent',
    MAX_EVENT_LOOP_DELAY_MS: '60000',
  },
});
try {
  await database.sql(
    `INSERT INTO subscribers (username, group_id, starts_at)
     SELECT 'user-' || n, 1 + n % 200, now() FROM generate_series(1, 40000) n`,
  );
  await untilReady();
  const rows = [];
  for (const [name, write] of Object.entries(requests).filter(([title]) => title.includes(options.only))) {
    const turns = [];
    let outcome = '';
    for (let run = 0; run < runs; run++) {
      const body = write();
      await readLongestTurn();
      outcome = await post(body);
      turns.push(await readLongestTurn());
    }
    turns.sort((one, other) => one.cpuMs - other.cpuMs);
    const { cpuMs, wallMs } = turns[Math.floor(runs / 2)];
    rows.push(`| ${name} | ${cpuMs.toFixed(1)} | ${wallMs.toFixed(1)} | ${outcome} |`);
    process.stderr.write(`${rows.at(-1)}\n`);
  }
  process.stdout.write(
    ['| request | CPU ms | ms | response |', '| --- | --- | --- | --- |', ...rows, ''].join('\n'),
  );
} finally {
  server.kill();
  await new Promise((resolve) => server.on('exit', resolve));
  await database.close();
}

/** Sends a request, and returns the status with the code of the first error. */
async function post(body) {
  const response = await fetch(`http://127.0.0.1:${port}/graphql`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', 'X-APIKEY': adminKey },
    body,
  });
  const text = await response.text();
  const code = /"code":"(\w+)"/.exec(text)?.[1] ?? '';
  return `${response.status} ${code} ${(text.length / 1024).toFixed(0)} KiB`;
}

function readLongestTurn() {
  const answer = new Promise((resolve) => server.once('message', resolve));
  server.send('read');
  return answer;
}

async function untilReady() {
  for (const deadline = performance.now() + 60_000; ;) {
    const response = await fetch(`http://127.0.0.1:${port}/readyz`).catch(() => undefined);
    if (response?.ok) return;
    if (performance.now() > deadline) throw new Error('the server is not ready');
    await sleep(20);
  }
}

async function findFreePort() {
  const listener = createServer();
  await new Promise((resolve) => listener.listen(0, '127.0.0.1', resolve));
  const { port: freePort } = listener.address();
  await new Promise((resolve) => listener.close(resolve));
  return freePort;
}
