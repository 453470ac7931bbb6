import { expect, test } from '@jest/globals';
import { useSchemaProbes } from '../support/schema-probes.ts';

// schema-variants.test.ts has the rarer schemas.
const { database, withParameters, readSchemas, expectEverythingToWork } = useSchemaProbes();

test('?schema= is the schema of every table; public stays empty', async () => {
  await database.sql('CREATE SCHEMA plans');
  await expectEverythingToWork(withParameters({ schema: 'plans' }));
  expect(await readSchemas()).toStrictEqual(['plans']);
});

test('without ?schema= the schema is public, whatever the search_path of the database and the role', async () => {
  const [row] = await database.sql<{ name: string }>('SELECT current_database() AS name');
  await database.sql(
    `CREATE SCHEMA elsewhere; ALTER DATABASE ${row!.name} SET search_path = elsewhere, pg_catalog`,
  );
  await expectEverythingToWork(database.url);
  expect(await readSchemas()).toStrictEqual(['public']);
});
