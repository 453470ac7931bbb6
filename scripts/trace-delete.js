// Lists the files of src/ that a POST /deleteGroup {"id":3} runs, as V8's coverage sees them. Needs `npm run build`.
import { once } from 'node:events';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { startTemporaryServer } from './temporary-server.js';

/** What timers run: the purge, which app.ts composes, and the watchdog of the database. */
const background =
  /^(jobs|autodialer|embedded-postgres)\/|^(app|process\/loop-clock|database\/(connection-watchdog|month-partitions)|mutations\/audit-events|groups\/archive)\.ts$/;

const tracer = pathToFileURL(resolve('scripts/coverage-on-message.js')).href;
const distUrl = `${pathToFileURL(resolve('dist')).href}/`;
const { server, url, key, stop } = await startTemporaryServer(['--import', tracer]);
try {
  // The first delete parses the query and looks the account up; the next ones find both cached, for a second at least.
  const traces = [];
  await ask('start');
  for (const id of [1, 2, 3]) traces.push((await traceDelete(id)).filter((name) => !background.test(name)));
  const shortest = traces.toSorted((one, other) => one.length - other.length)[0];
  console.log(shortest.toSorted().join('\n'));
} finally {
  await stop();
}

async function traceDelete(id) {
  const response = await fetch(`${url}/deleteGroup`, {
    method: 'POST',
    headers: { 'X-APIKEY': key, 'Content-Type': 'application/json' },
    body: JSON.stringify({ id }),
  });
  const text = await response.text();
  if (response.status !== 200) throw new Error(`The delete failed: ${text}`);
  const scripts = await ask('take');
  return scripts
    .filter((name) => name.startsWith(distUrl))
    .map((name) => name.slice(distUrl.length).replace(/\.js$/, '.ts'));
}

async function ask(message) {
  server.send(message);
  const [reply] = await once(server, 'message');
  return reply;
}
