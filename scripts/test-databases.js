// Runs the tests of deletes, subscribers, idempotency, the audit log, the archive, accounts and transfer on databases
// and in processes with non-default settings. Requires dist/, which `npm test` builds. `--outputFile=…` writes the
// counts as JSON.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Zones east and west of UTC, with summer time; limits and isolation levels that a database or a role may have. */
const environments = {
  'Asia/Tehran': { TZ: 'Asia/Tehran', TEST_DATABASE_SETTINGS: 'timezone=Asia/Tehran' },
  'America/New_York': {
    TZ: 'America/New_York',
    TEST_DATABASE_SETTINGS: 'timezone=America/New_York;datestyle=German, DMY',
  },
  serializable: {
    TEST_DATABASE_SETTINGS:
      'schema=plans;default_transaction_isolation=serializable;statement_timeout=30s;extra_float_digits=-15',
  },
};

const files =
  'test/(groups\\.(archive|delete|trusted|write|read|search|dry|expected|price)|subscribers|idempotency|audit|' +
  'accounts\\.(command|credentials|tokens)|cli\\.(transfer|groups|repair)|service-groups|mutations)[^/]*\\.test\\.ts$';

const [outputOption] = process.argv.slice(2).filter((argument) => argument.startsWith('--outputFile='));
const folder = mkdtempSync(join(tmpdir(), 'group-api-databases-'));
const counts = { numPassedTests: 0, numFailedTests: 0, numPendingTests: 0 };
let isFailed = false;
for (const [name, environment] of Object.entries(environments)) {
  console.log(`\n== ${name}: ${environment.TEST_DATABASE_SETTINGS}`);
  const results = join(folder, `${name.replace('/', '-')}.json`);
  const { status } = spawnSync(
    process.execPath,
    [
      '--experimental-vm-modules',
      'node_modules/jest/bin/jest.js',
      '--coverage=false',
      '--json',
      `--outputFile=${results}`,
      '--testPathIgnorePatterns=scale|property|deletion-scale',
      files,
    ],
    { stdio: ['ignore', 'ignore', 'inherit'], env: { ...process.env, ...environment } },
  );
  isFailed ||= status !== 0;
  const run = JSON.parse(readFileSync(results, 'utf8'));
  for (const count of Object.keys(counts)) counts[count] += run[count];
}
console.log(`\nOther databases: ${counts.numPassedTests} passed, ${counts.numFailedTests} failed`);
if (outputOption) writeFileSync(outputOption.split('=')[1], JSON.stringify(counts));
process.exitCode = isFailed ? 1 : 0;
