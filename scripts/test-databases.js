// Runs the tests of jest.databases.config.js on databases, and in processes, with other settings than usual. Needs
// dist/, as `npm test` builds it. Arguments are passed to jest.
import { hasPgBouncer } from '../test/support/pgbouncer.js';
import { runJest } from './run-jest.js';

// A run takes minutes: each has several of the settings that a database, a role or a process may have, since a test
// that depends on one of them also fails in combination with the others.
const environments = {
  // East of UTC.
  'Asia/Tehran, serializable transactions, tables in another schema': {
    TZ: 'Asia/Tehran',
    TEST_DATABASE_SETTINGS:
      'timezone=Asia/Tehran;schema=plans;default_transaction_isolation=serializable;statement_timeout=30s;extra_float_digits=-15',
  },
  // West of UTC, with summer time. Debian's PgBouncer knows no named statements, and has its default configuration.
  'America/New_York, through PgBouncer in transaction mode': {
    TZ: 'America/New_York',
    TEST_DATABASE_SETTINGS: 'timezone=America/New_York;datestyle=German, DMY',
    TEST_DATABASE_POOLER: 'transaction',
  },
};

for (const [name, { TEST_DATABASE_POOLER: pooler, ...environment }] of Object.entries(environments)) {
  console.log(`\n== ${name}`);
  const hasPooler = pooler !== undefined && hasPgBouncer && !process.env.TEST_DATABASE_URL;
  if (pooler !== undefined && !hasPooler) {
    console.log(
      `Without PgBouncer, since ${hasPgBouncer ? 'TEST_DATABASE_URL is set' : 'it is not installed'}`,
    );
    if (process.env.CI) process.exitCode = 1;
  }
  const hasPassed = runJest('jest.databases.config.js', process.argv.slice(2), {
    ...environment,
    ...(hasPooler && { TEST_DATABASE_POOLER: pooler }),
  });
  if (!hasPassed) process.exitCode = 1;
}
