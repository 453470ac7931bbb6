import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { copyProgram, type CommandOfCopy, type ProgramCopy } from '../support/program-copy.ts';
import { openSecondConnection, type SecondConnection } from '../support/second-connection.ts';
import { createTestDatabase, type TestDatabase } from '../support/test-database.ts';
import { waitUntil } from '../support/wait-until.ts';

// Migrations that run outside a transaction, in a copy of the program that has one more than this version.

const name = '9000_groups_unique_ip';
const statement = 'CREATE UNIQUE INDEX CONCURRENTLY "groups_ip_key" ON "groups"("ip")';
const building = `Applying the migration ${name}, which may take minutes. Servers continue to serve requests\n`;
const dropping = 'Dropping the unfinished index groups_ip_key of an interrupted migration\n';

let program: ProgramCopy;
let database: TestDatabase;
const others: SecondConnection[] = [];
beforeAll(async () => {
  program = await copyProgram();
  await program.addMigration(name, `-- Runs outside a transaction.\n${statement};\n`);
});
afterAll(() => program.remove());
beforeEach(async () => {
  database = await createTestDatabase();
});
afterEach(async () => {
  await Promise.all(others.splice(0).map((other) => other.close()));
  await database.drop();
});

const run = (...args: string[]) => program.start(database.url, ...args).ended;
const addGroup = (ip: string) =>
  database.sql(`INSERT INTO groups (name, tag_name, duration, price, ip) VALUES ('n', 't', 1, 1, $1)`, [ip]);
const readIndex = () =>
  database.sql(`SELECT indisvalid AS valid FROM pg_index WHERE indexrelid = to_regclass('groups_ip_key')`);
const readHistory = () =>
  database.sql(
    `SELECT finished_at IS NOT NULL AS finished, rolled_back_at IS NOT NULL AS "rolledBack", logs, applied_steps_count AS steps
     FROM _prisma_migrations WHERE migration_name = '${name}' ORDER BY started_at`,
  );
const finished = { finished: true, rolledBack: false, logs: null, steps: 1 };
const interrupted = { finished: false, rolledBack: true, logs: null, steps: 0 };
const readDoctor = async () => {
  const { stdout } = await run('doctor', '--json');
  const { checks } = JSON.parse(stdout) as { checks: { name: string; state: string; message: string }[] };
  return checks.find((check) => check.name === 'migrations')!;
};

/** Opens a transaction whose snapshot a concurrent build waits for. */
async function openSnapshot(): Promise<SecondConnection> {
  const other = await openSecondConnection(database);
  others.push(other);
  await other.query('BEGIN ISOLATION LEVEL REPEATABLE READ');
  await other.query('SELECT FROM groups');
  return other;
}

/** Starts `migrate`, and waits until its build waits for a snapshot. */
async function startBlockedBuild(): Promise<CommandOfCopy> {
  const command = program.start(database.url, 'migrate', '--json');
  await waitUntil(async () => {
    const [index] = await readIndex();
    const waiting = await database.sql(
      `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'virtualxid'`,
    );
    return index !== undefined && waiting.length === 1 && command.stderr() === building;
  });
  return command;
}

test('migrate builds an index outside a transaction, while groups are written, and records it once', async () => {
  const other = await openSnapshot();
  const command = await startBlockedBuild();
  await addGroup('STATIC');
  expect(await readDoctor()).toMatchObject({
    state: 'warning',
    message: expect.stringMatching(
      new RegExp(`, pending: ${name}\\. Another program is applying ${name} \\(.+\\)\\. `),
    ),
  });
  await other.query('COMMIT');
  expect(await command.ended).toStrictEqual({
    code: 0,
    stdout: expect.stringContaining(`"applied":["${name}"]`),
    stderr: building,
  });
  expect([await readIndex(), await readHistory()]).toStrictEqual([[{ valid: true }], [finished]]);
  expect(await run('migrate')).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/^Nothing/),
    stderr: '',
  });
  expect(await readDoctor()).toMatchObject({ state: 'ok' });
});

test('of two migrations that start concurrently, one builds the index and the other waits', async () => {
  const other = await openSnapshot();
  const command = await startBlockedBuild();
  const waiting = program.start(database.url, 'migrate', '--json');
  await waitUntil(() => waiting.stderr() !== '');
  await other.query('COMMIT');
  expect([await command.ended, await waiting.ended]).toMatchObject([
    { code: 0, stdout: expect.stringContaining(`"applied":["${name}"]`), stderr: building },
    {
      code: 0,
      stdout: expect.stringContaining('"applied":[]'),
      stderr: 'Waiting for another program that is migrating the database\n',
    },
  ]);
  expect(await readHistory()).toStrictEqual([finished]);
});

test('a failed build is reported with its cause; the next migrate drops its index and builds it again', async () => {
  await addGroup('STATIC');
  await addGroup('STATIC');
  const failed = await run('migrate');
  expect(failed).toStrictEqual({
    code: 1,
    stdout: '',
    stderr: expect.stringContaining(
      `group-api: The migration ${name} failed: could not create unique index "groups_ip_key". Remove the cause; ` +
        'the next start or `group-api migrate` drops what is unfinished, and repeats the migration\n',
    ),
  });
  expect(await readIndex()).toStrictEqual([{ valid: false }]);
  expect(await readDoctor()).toMatchObject({
    state: 'warning',
    message: expect.stringContaining(
      `. ${name} was interrupted; it is repeated, without what it left unfinished. The next start`,
    ),
  });

  await database.sql('DELETE FROM groups');
  expect(await run('migrate')).toMatchObject({ code: 0, stderr: expect.stringContaining(dropping) });
  expect(await readIndex()).toStrictEqual([{ valid: true }]);
  const logs = 'could not create unique index "groups_ip_key"';
  expect(await readHistory()).toStrictEqual([{ ...interrupted, logs }, finished]);
});

test('a build whose process is killed ends in PostgreSQL; the next migrate builds the index again', async () => {
  const other = await openSnapshot();
  const command = await startBlockedBuild();
  command.process.kill('SIGKILL');
  await command.ended;
  const next = program.start(database.url, 'migrate');
  await waitUntil(() => next.stderr().includes(dropping));
  await other.query('COMMIT');
  expect(await next.ended).toMatchObject({ code: 0, stderr: expect.stringContaining(dropping) });
  expect([await readIndex(), await readHistory()]).toStrictEqual([
    [{ valid: true }],
    [interrupted, finished],
  ]);
});

test('an invalid index whose migration was marked as rolled back is dropped and built again', async () => {
  await addGroup('STATIC');
  await addGroup('STATIC');
  await run('migrate');
  await database.sql(`DELETE FROM groups`);
  await database.sql(`UPDATE _prisma_migrations SET rolled_back_at = now() WHERE migration_name = '${name}'`);
  expect(await run('migrate')).toMatchObject({ code: 0, stderr: expect.stringContaining(dropping) });
  expect(await readIndex()).toStrictEqual([{ valid: true }]);
});

test('a migration outside a transaction with two statements is rejected, and neither is executed', async () => {
  const later = '9001_two_statements';
  await program.addMigration(
    later,
    '-- Runs outside a transaction.\nCREATE TABLE "one" ("id" INTEGER);\nCREATE TABLE "two" ("id" INTEGER);\n',
  );
  const { code, stderr } = await run('migrate');
  expect([code, stderr]).toStrictEqual([1, expect.stringContaining(`The migration ${later} failed: cannot`)]);
  expect(await database.sql(`SELECT to_regclass('one') AS one`)).toStrictEqual([{ one: null }]);
});
