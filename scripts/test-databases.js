// Runs the tests of jest.databases.config.js on databases, and in processes, with other settings than usual. Needs
// dist/, as `npm test` builds it. Arguments are passed to jest.
import { runJest } from './run-jest.js';

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

for (const [name, environment] of Object.entries(environments)) {
  console.log(`\n== ${name}: ${environment.TEST_DATABASE_SETTINGS}`);
  const hasPassed = runJest('jest.databases.config.js', process.argv.slice(2), environment);
  if (!hasPassed) process.exitCode = 1;
}
