import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createCommandLine } from '../support/command-line.ts';
import { createTestDatabase, type TestDatabase } from '../support/test-database.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase({ isEmpty: true });
});
afterAll(() => database.drop());

const { run } = createCommandLine(() => database);
const tables = () =>
  database.sql(`SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace ORDER BY 1`);

test('migrate applies and lists all migrations on an empty database; a second run applies none', async () => {
  const first = await run('migrate', '--json');
  expect([first.code, first.stderr]).toStrictEqual([0, '']);
  const { applied } = JSON.parse(first.stdout) as { applied: string[] };
  expect(applied[0]).toBe('0001_groups');
  expect(await database.sql('SELECT migration_name FROM _prisma_migrations ORDER BY 1')).toStrictEqual(
    applied.map((name) => ({ migration_name: name })),
  );
  const made = await tables();
  expect(await run('migrate')).toStrictEqual({
    code: 0,
    stdout: expect.stringMatching(/^Nothing to do: PostgreSQL at .* is up to date\n$/),
    stderr: '',
  });
  expect(await tables()).toStrictEqual(made);
  expect(await database.sql('SELECT FROM accounts')).toStrictEqual([]);
});
