// Runs the tests of jest.databases.config.js on databases, and in processes, with other settings than usual. Needs
// dist/, as `npm test` builds it. Arguments are passed to jest.
import { hasPgBouncer } from '../test/support/pgbouncer.js';
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
  // Debian's version knows no named statements, and has its default configuration.
  PgBouncer: { TEST_DATABASE_POOLER: 'transaction' },
};

for (const [name, environment] of Object.entries(environments)) {
  if (environment.TEST_DATABASE_POOLER && (!hasPgBouncer || process.env.TEST_DATABASE_URL)) {
    const reason = hasPgBouncer ? 'TEST_DATABASE_URL is set' : 'it is not installed';
    console.log(`\n== PgBouncer: skipped, since ${reason}`);
    if (process.env.CI) process.exitCode = 1;
    continue;
  }
  console.log(`\n== ${name}: ${environment.TEST_DATABASE_SETTINGS ?? 'transaction mode'}`);
  const hasPassed = runJest('jest.databases.config.js', process.argv.slice(2), environment);
  if (!hasPassed) process.exitCode = 1;
}
