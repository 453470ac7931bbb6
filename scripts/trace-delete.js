// Lists the files of src/ that a POST /deleteGroup {"id":1} runs, as V8's coverage sees them. Needs `npm run build`.
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { startTemporaryServer } from './temporary-server.js';

/** What timers run in the background. */
const background = /^(jobs|embedded-postgres)\/|^database\/connection-watchdog\.ts$/;

const tracer = pathToFileURL(resolve('scripts/coverage-on-message.js')).href;
const { server, url, key, stop } = await startTemporaryServer(['--import', tracer]);
try {
  await ask('start');
  const response = await fetch(`${url}/deleteGroup`, {
    method: 'POST',
    headers: { 'X-APIKEY': key, 'Content-Type': 'application/json' },
    body: '{"id":1}',
  });
  if (response.status !== 200) throw new Error(`The delete failed: ${await response.text()}`);
  await response.text();
  const distUrl = pathToFileURL(resolve('dist')).href;
  const files = (await ask('take'))
    .filter((name) => name.startsWith(distUrl))
    .map((name) => name.slice(distUrl.length + 1).replace(/\.js$/, '.ts'))
    .filter((name) => !background.test(name));
  console.log(files.toSorted().join('\n'));
} finally {
  await stop();
}

function ask(message) {
  const answer = new Promise((done) => server.once('message', done));
  server.send(message);
  return answer;
}
