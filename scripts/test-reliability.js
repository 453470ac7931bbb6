// Runs the tests of jest.reliability.config.js, then those of test-databases.js. With a name, such as `npm run
// test:reliability -- race`, only the files that match it. Needs dist/. Arguments are passed to jest.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { runJest } from './run-jest.js';

const args = process.argv.slice(2);
const isWhole = args.every((arg) => arg.startsWith('-'));
if (!runJest('jest.reliability.config.js', args)) process.exitCode = 1;
if (isWhole) {
  const { status } = spawnSync(process.execPath, [join(import.meta.dirname, 'test-databases.js')], {
    stdio: 'inherit',
  });
  if (status !== 0) process.exitCode = 1;
}
