import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { createCommandLine } from '../support/command-line.ts';
import { createTestDatabase, type TestDatabase } from '../support/test-database.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());

const { run } = createCommandLine(() => database);
const examine = async () => {
  const { code, stdout } = await run('doctor', '--json');
  const { checks } = JSON.parse(stdout) as { checks: { name: string; state: string; message: string }[] };
  return { code, engines: checks.filter(({ name }) => name === 'engine') };
};

/** Removes the sign of an engine. */
let undo = '';
afterEach(() => database.sql(undo));

const functionSign = (name: string) => [
  `CREATE FUNCTION ${name}() RETURNS text LANGUAGE sql RETURN 'x'`,
  `DROP FUNCTION ${name}()`,
];
const settingSign = (name: string) => [
  `DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET ${name} TO x', current_database()); END $$`,
  `DO $$ BEGIN EXECUTE format('ALTER DATABASE %I RESET ${name}', current_database()); END $$`,
];

test.each([
  ['Aurora PostgreSQL', 'ok', /reader endpoint/, functionSign('aurora_version')],
  ['Citus', 'ok', /local to the coordinator/, functionSign('citus_version')],
  ['AlloyDB', 'ok', /primary instance/, settingSign('alloydb.iam_authentication')],
  ['Neon', 'ok', /direct address/, settingSign('neon.timeline_id')],
  ['YugabyteDB', 'wrong', /no BRIN index.*Use PostgreSQL 14/, functionSign('yb_servers')],
  [
    'CockroachDB',
    'wrong',
    /no statement-level triggers.*Use PostgreSQL 14/,
    ['CREATE SCHEMA crdb_internal', 'DROP SCHEMA crdb_internal'],
  ],
  [
    'Aurora DSQL',
    'wrong',
    /no foreign keys.*Use PostgreSQL 14/,
    ['CREATE SCHEMA sys; CREATE TABLE sys.jobs ()', 'DROP SCHEMA sys CASCADE'],
  ],
])(
  'doctor names %s by its sign, as %s, and what differs; without the sign it names none',
  async (name, state, note, [sign, removal]) => {
    undo = removal!;
    expect(await examine()).toStrictEqual({ code: 0, engines: [] });
    await database.sql(sign!);
    const { code, engines } = await examine();
    expect(engines).toStrictEqual([{ name: 'engine', state, message: expect.stringMatching(note) }]);
    expect(engines[0]!.message).toMatch(new RegExp(`^${name}, not PostgreSQL itself: `));
    expect(code).toBe(state === 'wrong' ? 1 : 0);
  },
);
