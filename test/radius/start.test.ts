import { randomBytes } from 'node:crypto';
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { createCommandLine } from '../support/command-line.ts';
import { createAccountingDatabase, openNas, openSession } from '../support/nas.ts';
import { openTestApp, type TestApp } from '../support/test-app.ts';
import { urlAs, type TestDatabase } from '../support/test-database.ts';
import { waitUntil } from '../support/wait-until.ts';

const nas = await openNas();
let withTables: TestDatabase;
let apps: TestApp[] = [];
beforeAll(async () => {
  withTables = await createAccountingDatabase([nas]);
});
afterEach(async () => {
  for (const app of apps) await app.close();
  apps = [];
});
afterAll(async () => {
  await withTables.drop();
  await nas.close();
});

/** Opens a server on a database that stays. */
const open = async (settings: object, database = withTables) => {
  const app = await openTestApp(
    { RADIUS_COA_PORT: nas.port, ...settings },
    { ...database, drop: async () => {} },
  );
  apps.push(app);
  return app;
};
const { run, environment } = createCommandLine(() => withTables);
const readChecks = async (settings: Record<string, string>) => {
  Object.assign(environment, settings);
  const { stdout } = await run('doctor', '--json');
  for (const name of Object.keys(environment)) delete environment[name];
  return JSON.parse(stdout).checks.filter(({ name }: { name: string }) => name === 'accounting');
};

test.each([
  ['there is no schema', 'nowhere', '', /there is no schema nowhere\. Load FreeRADIUS' mods-config/],
  [
    'the schema has no table',
    'empty',
    'CREATE SCHEMA empty',
    /there is no table empty\.radacct\. .*\nRADIUS.* empty\.nas\. /,
  ],
  [
    'a table lacks columns',
    'older',
    'CREATE SCHEMA older; CREATE TABLE older.radacct (username text); CREATE TABLE older.nas (id int, nasname text, secret text)',
    /older\.radacct lacks the columns acctsessionid, acctuniqueid, nasipaddress, acctstarttime, acctstoptime, framedipaddress/,
  ],
])(
  'the server does not start with RADIUS=true if %s, and doctor reports the same',
  async (_, schema, sql, message) => {
    if (sql !== '') await withTables.sql(sql);
    await expect(open({ RADIUS: true, RADIUS_ACCOUNTING_SCHEMA: schema })).rejects.toThrow(message);
    const checks = await readChecks({ RADIUS: 'true', RADIUS_ACCOUNTING_SCHEMA: schema });
    expect(checks.map(({ state }: { state: string }) => state)).toContain('wrong');
    expect(checks.map((check: { message: string }) => check.message).join('\n')).toMatch(message);
  },
);

test('for a role that may not read the tables, the error has the GRANTs, which are enough', async () => {
  const role = `"test-radius-${randomBytes(4).toString('hex')}"`;
  await withTables.sql(`CREATE ROLE ${role} LOGIN; GRANT USAGE ON SCHEMA public TO ${role};
    GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO ${role}; GRANT SELECT ON ALL SEQUENCES IN SCHEMA public TO ${role}`);
  try {
    const database = { ...withTables, url: urlAs(role.slice(1, -1), withTables.url) };
    const opening = open({ RADIUS: true, DATABASE_URL: database.url }, database);
    const error = await opening.then(
      () => new Error('it started'),
      (reason: Error) => reason,
    );
    expect(error.message).toContain(
      `GRANT USAGE ON SCHEMA freeradius TO ${role}; GRANT SELECT ON freeradius.radacct TO ${role}`,
    );
    for (const [, grants] of error.message.matchAll(/: (GRANT .*)/g)) await withTables.sql(grants!);
    await open({ RADIUS: true, DATABASE_URL: database.url }, database);
  } finally {
    for (const app of apps.splice(0)) await app.close();
    await withTables.sql(`DROP OWNED BY ${role}; DROP ROLE ${role}`);
  }
});

test('doctor reports that the tables can be read; without RADIUS it has no such check', async () => {
  expect(await readChecks({ RADIUS_DISCONNECT: 'true' })).toStrictEqual([
    { name: 'accounting', state: 'ok', message: 'radacct and nas in the schema freeradius can be read' },
  ]);
  expect(await readChecks({})).toStrictEqual([]);
  expect(await readChecks({ RADIUS: 'true', RADIUS_DISCONNECT: 'false' })).toStrictEqual([]);
});

test('nothing is sent with RADIUS=false, nor with RADIUS_DISCONNECT=false; changes since the last sending are sent later', async () => {
  const sending = await open({ RADIUS: true });
  const groupId = await sending.createGroup();
  for (const username of ['ali', 'sara']) {
    await sending.post('/subscribe', { username, groupId });
    await openSession(withTables, username);
  }
  await apps.pop()!.close();

  const silent = await open({ RADIUS: true, RADIUS_DISCONNECT: false });
  await silent.post('/removeUserSubscription', { username: 'ali' });
  await apps.pop()!.close();
  expect(await withTables.sql('SELECT FROM radius_deliveries')).toStrictEqual([]);

  const again = await open({ RADIUS: true });
  await again.post('/removeUserSubscription', { username: 'sara' });
  await waitUntil(() => nas.requests.length === 2);
  expect(nas.requests.map(({ attributes }) => attributes['User-Name'])).toStrictEqual(['ali', 'sara']);
});

test('finished requests are deleted after seven days, unfinished ones are not', async () => {
  await withTables.sql(
    `INSERT INTO radius_deliveries (event_id, event_type, event_at, username, session_id, unique_id, nas_address, must_disconnect,
       status, next_attempt_at, finished_at)
     SELECT name, 'subscriber.removed', now(), name, '', name, '127.0.0.1', true, 'failed', NULL, now() - age::interval
     FROM (VALUES ('old', '7 days 1 minute'), ('recent', '6 days 23 hours')) AS row (name, age)`,
  );
  await open({});
  const names = async () => {
    const rows = await withTables.sql<{ username: string }>(
      `SELECT username FROM radius_deliveries WHERE session_id = ''`,
    );
    return rows.map(({ username }) => username);
  };
  await waitUntil(async () => (await names()).length < 2);
  expect(await names()).toStrictEqual(['recent']);
});
