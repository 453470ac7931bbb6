// Prints "N passed, N failed" from the file that test/support/count-reporter.js writes, a line of JSON for each run of
// jest. Files that could not be loaded count as failed, and in CI skipped tests too. Fails if a run is missing or
// something has failed.
import { readFileSync } from 'node:fs';

/** `npm test`, the reliability tests, and two kinds of databases. */
const expectedRuns = 4;
const runs = readFileSync(process.argv[2], 'utf8')
  .split('\n')
  .filter((line) => line !== '')
  .map((line) => JSON.parse(line));
const sum = (...names) =>
  runs.reduce((total, run) => names.reduce((count, name) => count + run[name], total), 0);
const skipped = sum('numPendingTests', 'numTodoTests');
const passed = sum('numPassedTests');
const failed = sum('numFailedTests', 'numRuntimeErrorTestSuites') + (process.env.CI === 'true' ? skipped : 0);
if (skipped > 0) console.log(`${skipped} tests were skipped: see above.`);
if (runs.length !== expectedRuns)
  console.log(`${runs.length} of ${expectedRuns} test runs have ended: see above.`);
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed > 0 || runs.length !== expectedRuns ? 1 : 0;
