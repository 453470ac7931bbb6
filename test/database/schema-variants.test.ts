import { beforeEach, describe, expect, test } from '@jest/globals';
import { lineOf, runEverywhere } from '../support/run-everywhere.ts';
import { useSchemaProbes } from '../support/schema-probes.ts';
import { urlAs } from '../support/test-database.ts';

const { database, withParameters, readSchemas, expectEverythingToWork } = useSchemaProbes();

test('a schema whose name needs quotes works', async () => {
  await database.sql('CREATE SCHEMA "Our plans, 2"');
  await expectEverythingToWork(withParameters({ schema: 'Our plans, 2' }));
  expect(await readSchemas()).toStrictEqual(['"Our plans, 2"']);
});

test('without ?schema= a schema named like the role is not used', async () => {
  const [row] = await database.sql<{ user: string }>('SELECT current_user AS user');
  await database.sql(`CREATE SCHEMA "${row!.user}"`);
  await expectEverythingToWork(database.url);
  expect(await readSchemas()).toStrictEqual(['public']);
});

test('two servers in two schemas of one database are independent', async () => {
  await database.sql('CREATE SCHEMA one; CREATE SCHEMA two');
  await expectEverythingToWork(withParameters({ schema: 'one' }));
  await expectEverythingToWork(withParameters({ schema: 'two' }));
  await expectEverythingToWork(database.url);
  expect(await readSchemas()).toStrictEqual(['one', 'public', 'two']);
  const [counts] = await database.sql(
    'SELECT (SELECT count(*) FROM one.groups) AS one, (SELECT count(*) FROM two.groups) AS two',
  );
  expect(counts).toStrictEqual({ one: '1', two: '1' });
});

describe('pg_trgm in another schema', () => {
  beforeEach(() => database.sql('CREATE SCHEMA extensions; CREATE EXTENSION pg_trgm SCHEMA extensions'));

  test('pg_trgm in another schema works for tables in public', async () => {
    await expectEverythingToWork(database.url);
    expect(await readSchemas()).toStrictEqual(['public']);
  });

  test("pg_trgm in another schema works for tables in the URL's schema", async () => {
    await database.sql('CREATE SCHEMA plans');
    await expectEverythingToWork(withParameters({ schema: 'plans' }));
    expect(await readSchemas()).toStrictEqual(['plans']);
  });
});

test('tables of the same names in other schemas are ignored', async () => {
  await database.sql('CREATE TABLE public.groups (id int); CREATE SCHEMA plans');
  await expectEverythingToWork(withParameters({ schema: 'plans' }));
  expect(await database.sql('SELECT * FROM public.groups')).toStrictEqual([]);
});

test('a missing schema is reported in one line by each program, and not created', async () => {
  const { serve, migrate, doctor } = await runEverywhere(withParameters({ schema: 'plans' }));
  expect([serve.code, migrate.code, doctor.code]).toStrictEqual([1, 1, 1]);
  for (const line of [lineOf(serve), migrate.message, ...doctor.wrong]) {
    expect(line).toMatch(
      /^PostgreSQL at [^\n]+ has no schema plans\. Create it with CREATE SCHEMA plans AUTHORIZATION \S+, or correct the parameter schema of DATABASE_URL$/,
    );
  }
  expect(doctor.wrong).toHaveLength(1);
  expect(await database.sql(`SELECT FROM pg_namespace WHERE nspname = 'plans'`)).toStrictEqual([]);
});

test('a schema without USAGE for the role is reported in one line by each program', async () => {
  const role = 'schema_guest';
  await database.sql(
    `CREATE SCHEMA plans; DROP ROLE IF EXISTS ${role}; CREATE ROLE ${role} LOGIN PASSWORD 'x'`,
  );
  const { serve, migrate, doctor } = await runEverywhere(urlAs(role, withParameters({ schema: 'plans' })));
  await database.sql(`DROP ROLE ${role}`);
  for (const line of [lineOf(serve), migrate.message, ...doctor.wrong]) {
    expect(line).toMatch(
      /^The user schema_guest lacks USAGE on the schema plans of [^\n]+: GRANT USAGE ON SCHEMA plans TO schema_guest$/,
    );
  }
  expect(doctor.wrong).toHaveLength(1);
});
