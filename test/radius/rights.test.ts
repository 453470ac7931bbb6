import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import pg from 'pg';
import { createCommandLine } from '../support/command-line.ts';
import { queryOf, radiusViews } from '../support/radius.ts';
import { future } from '../support/probes.ts';
import { openTestApp, useTestApp } from '../support/test-app.ts';
import { createTestDatabase, urlAs } from '../support/test-database.ts';

// The role of FreeRADIUS: group_api_radius of docs/radius.md. Roles belong to the whole cluster of the tests.

const role = 'radius_rights_test';
const app = useTestApp();
const { run } = createCommandLine(() => app);
const examine = async () => {
  const { checks } = JSON.parse((await run('doctor', '--json')).stdout);
  return checks.filter(({ name }: { name: string }) => name === 'radius');
};
const grants = [
  `GRANT USAGE ON SCHEMA radius TO ${role}`,
  `GRANT SELECT ON radius.radcheck, radius.radreply, radius.radusergroup, radius.radgroupcheck, radius.radgroupreply TO ${role}`,
];

test('doctor finds the views, and says that no role may read them', async () => {
  expect(await examine()).toStrictEqual([
    {
      name: 'radius',
      state: 'ok',
      message: "FreeRADIUS' views are in the schema radius. No role may read them yet: see docs/radius.md",
    },
  ]);
});

describe('the role of FreeRADIUS', () => {
  let client: pg.Client;
  let groupId: number;
  beforeAll(async () => {
    groupId = await app.createGroup({ usernamePostfix: '@x', multiLoginCount: 2, downloadUpload: '1/1' });
    await app.post('/subscribe', { username: 'running', groupId, expiresAt: future });
    await app.sql(`INSERT INTO subscribers VALUES ($1, 'ended', '2020-01-01Z', '2020-01-02Z')`, [groupId]);
    await app.sql(`INSERT INTO subscribers VALUES ($1, 'pending', '2100-01-01Z', NULL)`, [groupId]);
    await app.sql(`CREATE ROLE ${role} LOGIN; ${grants.join('; ')}`);
    client = new pg.Client({ connectionString: urlAs(role, app.url) });
    await client.connect();
  });
  afterAll(async () => {
    await client.end();
    await app.sql(`DROP OWNED BY ${role}; DROP ROLE ${role}`);
  });

  test('doctor accepts the documented grants', async () => {
    expect(await examine()).toStrictEqual([
      {
        name: 'radius',
        state: 'ok',
        message: `${role} may read FreeRADIUS' views in the schema radius, and no table`,
      },
    ]);
  });

  test.each(radiusViews)('it reads %s, by the function and as a whole', async (view) => {
    const name = view.startsWith('radgroup') ? `group-${groupId}` : 'running@x';
    for (const isFunction of [true, false])
      expect((await client.query(queryOf(view, isFunction), [name])).rowCount).toBeGreaterThan(0);
  });

  test('it sees no subscriber who has ended or not started, not even by its own function in a condition', async () => {
    const seen: string[] = [];
    client.on('notice', ({ message }) => seen.push(message!));
    await client.query(
      `CREATE FUNCTION pg_temp.leak(text) RETURNS boolean LANGUAGE plpgsql COST 0.0000001 AS $$
       BEGIN RAISE NOTICE '%', $1; RETURN true; END $$`,
    );
    for (const view of ['radcheck', 'radreply', 'radusergroup'])
      await client.query(
        `SELECT FROM radius.${view} WHERE pg_temp.leak(subscriber) AND pg_temp.leak(username)`,
      );
    expect([...new Set(seen)].toSorted()).toStrictEqual(['running', 'running@x']);
  });

  test('its own operator in search_path does not make an ended subscriber visible', async () => {
    await client.query(
      `CREATE FUNCTION pg_temp.yes(timestamptz, timestamptz) RETURNS boolean LANGUAGE sql AS 'SELECT true';
       CREATE OPERATOR pg_temp.> (LEFTARG = timestamptz, RIGHTARG = timestamptz, FUNCTION = pg_temp.yes);
       CREATE OPERATOR pg_temp.<= (LEFTARG = timestamptz, RIGHTARG = timestamptz, FUNCTION = pg_temp.yes);
       SET search_path = pg_temp, pg_catalog`,
    );
    const { rows } = await client.query('SELECT username FROM radius.radusergroup');
    expect(rows).toStrictEqual([{ username: 'running@x' }]);
    expect((await client.query(`SELECT FROM radius.radcheck_for('ended@x')`)).rowCount).toBe(0);
    await client.query('RESET search_path');
  });

  test('it may read neither a table nor an internal view, and change nothing', async () => {
    const tables = await app.sql<{ name: string }>(
      `SELECT relname AS name FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v')`,
    );
    expect(tables.length).toBeGreaterThan(15);
    for (const { name } of tables)
      await expect(client.query(`SELECT FROM public.${name}`)).rejects.toMatchObject({ code: '42501' });
    for (const view of radiusViews)
      await expect(client.query(`DELETE FROM radius.${view}`)).rejects.toMatchObject({
        code: expect.stringMatching(/^(42501|55000)$/),
      });
  });

  test.each([
    ['REVOKE USAGE ON SCHEMA radius FROM', 'wrong', `GRANT USAGE ON SCHEMA radius TO ${role}`],
    ['REVOKE SELECT ON radius.radreply FROM', 'wrong', `GRANT SELECT ON radius.radreply TO ${role}`],
    ['GRANT SELECT ON subscribers TO', 'warning', `REVOKE ALL ON subscribers FROM ${role}`],
    [
      'GRANT SELECT (username) ON subscriber_history TO',
      'warning',
      `REVOKE ALL ON subscriber_history FROM ${role}`,
    ],
    ['GRANT SELECT ON radius_subscriptions TO', 'warning', `REVOKE ALL ON radius_subscriptions FROM ${role}`],
  ])('doctor names the statement that undoes: %s the role', async (statement, state, undo) => {
    await app.sql(`${statement} ${role}`);
    const results = await examine();
    expect(results).toMatchObject([{ state, message: expect.stringContaining(undo) }]);
    await app.sql(undo);
    expect(await examine()).toMatchObject([{ state: 'ok' }]);
  });

  test('doctor names the functions that the role may not execute, in a database where PUBLIC may not', async () => {
    const all = ['radius', 'public'].map((schema) => `ALL FUNCTIONS IN SCHEMA ${schema}`);
    await app.sql(all.map((functions) => `REVOKE EXECUTE ON ${functions} FROM PUBLIC`).join('; '));
    const name = 'running@x';
    try {
      await expect(client.query(queryOf('radusergroup', true), [name])).rejects.toMatchObject({
        code: '42501',
      });
      const [{ state, message }] = await examine();
      expect(state).toBe('wrong');
      await app.sql(message.slice(message.indexOf('GRANT')));
      expect(await examine()).toMatchObject([{ state: 'ok' }]);
      for (const view of radiusViews) {
        const values = [view.startsWith('radgroup') ? `group-${groupId}` : name];
        for (const isFunction of [true, false])
          expect((await client.query(queryOf(view, isFunction), values)).rowCount).toBeGreaterThan(0);
      }
    } finally {
      await app.sql(all.map((functions) => `GRANT EXECUTE ON ${functions} TO PUBLIC`).join('; '));
    }
  });

  test('doctor says nothing about a privilege of the role of the server on a view', async () => {
    const asServer = createCommandLine(() => ({ ...app, url: urlAs(role, app.url) }));
    const { checks } = JSON.parse((await asServer.run('doctor', '--json')).stdout);
    expect(checks.filter(({ name }: { name: string }) => name === 'radius')).toStrictEqual([
      expect.objectContaining({ state: 'ok', message: expect.stringContaining('No role may read them yet') }),
    ]);
  });

  test('doctor warns of views that every role may read', async () => {
    await app.sql('GRANT SELECT ON radius.radcheck TO PUBLIC');
    const results = await examine();
    await app.sql('REVOKE ALL ON ALL TABLES IN SCHEMA radius FROM PUBLIC');
    expect(results).toContainEqual(
      expect.objectContaining({
        state: 'warning',
        message: expect.stringContaining('REVOKE ALL ON ALL TABLES'),
      }),
    );
  });

  test('doctor warns of a superuser', async () => {
    await app.sql(`ALTER ROLE ${role} SUPERUSER`);
    const results = await examine();
    await app.sql(`ALTER ROLE ${role} NOSUPERUSER`);
    expect(results).toMatchObject([
      { state: 'warning', message: expect.stringContaining(`ALTER ROLE ${role} NOSUPERUSER`) },
    ]);
  });

  test('doctor names the views that are missing', async () => {
    const database = await createTestDatabase();
    await database.sql('DROP VIEW radius.radreply CASCADE');
    const { stdout } = await createCommandLine(() => database).run('doctor', '--json');
    await database.drop();
    expect(JSON.parse(stdout).checks).toContainEqual({
      name: 'radius',
      state: 'wrong',
      message: 'The database lacks the RADIUS views radreply. Restore a backup with their schema',
    });
  });
});

describe('the units of numbers without one', () => {
  test('a server stores its units at the start for the views, and a restored database has them', async () => {
    const database = await createTestDatabase();
    const kilobits = await openTestApp({ RADIUS_RATE_UNIT: 'kbit/s', RADIUS_QUOTA_UNIT: 'GiB' }, database);
    const id = await kilobits.createGroup({ downloadUpload: '2048/512', dailyBandwidth: '3', ip: 'DYNAMIC' });
    const read = async () =>
      (
        await kilobits.sql<{ value: string }>(
          `SELECT value FROM radius.radgroupcheck WHERE group_id = $1 UNION ALL SELECT value FROM radius.radgroupreply WHERE group_id = $1`,
          [id],
        )
      ).map(({ value }) => value);
    const expected = ['1', '3221225472', '512k/2048k', '2048000', '512000'];
    expect(await read()).toStrictEqual(expected);
    const { body } = await kilobits.graphql(`{ group(id: ${id}) { radiusAttributes { value } } }`);
    expect(body.data.group.radiusAttributes.map(({ value }: { value: string }) => value)).toStrictEqual(
      expected,
    );
    await kilobits.close();
  });
});
