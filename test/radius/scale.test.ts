import { readFile } from 'node:fs/promises';
import { beforeAll, describe, expect, test } from '@jest/globals';
import type pg from 'pg';
import { accountingTablesIn } from '../../src/radius/accounting-statements.ts';
import { fanOut } from '../../src/radius/fan-out-statement.ts';
import type { SessionChange } from '../../src/radius/session-changes.ts';
import { createAccountingDatabase } from '../support/nas.ts';
import { queryOf, radiusViews, type RadiusView } from '../support/radius.ts';
import { openTestConnection } from '../support/test-database.ts';
import { useTestApp } from '../support/test-app.ts';

// That an authorisation and a change read the few rows of one user or group, whatever the size of the tables.

const app = useTestApp({}, () => createAccountingDatabase([]));
const groupCount = 4000;

beforeAll(async () => {
  await app.sql(
    `INSERT INTO groups (name, tag_name, duration, price, username_postfix, download_upload, daily_bandwidth)
     SELECT 'g' || n, 't', 30, 1, CASE n % 4 WHEN 0 THEN '@vip' WHEN 1 THEN '@' || n END, '100/20', '10GB' FROM generate_series(1, ${groupCount}) n`,
  );
  await app.sql(
    `INSERT INTO subscribers (group_id, username, starts_at, expires_at)
     SELECT id, 'user' || id || '-' || k, now() - interval '1 day', now() + interval '30 days'
     FROM groups, generate_series(1, 5) k`,
  );
  await app.sql(
    `INSERT INTO freeradius.radacct (acctsessionid, acctuniqueid, username, nasipaddress)
     SELECT username, username, username, '127.0.0.1' FROM subscribers`,
  );
  // As docs/radius.md creates it.
  await app.sql(
    'CREATE INDEX radacct_open_user_idx ON freeradius.radacct (username) WHERE acctstoptime IS NULL',
  );
  await app.sql('ANALYZE groups, subscribers, freeradius.radacct');
});

type Plan = {
  readonly 'Node Type': string;
  readonly 'Relation Name'?: string;
  readonly 'Function Name'?: string;
  readonly 'Actual Rows': number;
  readonly 'Shared Hit Blocks': number;
  readonly 'Shared Read Blocks': number;
  readonly Plans?: readonly Plan[];
};

/** Executes the query of a function with the plan that the function stores, and returns the plan. */
async function explain(client: pg.Client, view: RadiusView, name: string): Promise<Plan> {
  const { rows } = await client.query<{ body: string }>(
    `SELECT prosrc AS body FROM pg_proc WHERE oid = 'radius.${view}_for(text)'::regprocedure`,
  );
  const [, query] = /RETURN QUERY ([^;]+);/.exec(rows[0]!.body)!;
  await client.query(`SET plan_cache_mode = force_generic_plan; PREPARE ${view} (text) AS ${query!}`);
  // The first execution in a session reads the catalogue, too.
  await client.query(`EXECUTE ${view} ('${name}')`);
  const explained = await client.query<{ 'QUERY PLAN': [{ Plan: Plan }] }>(
    `EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) EXECUTE ${view} ('${name}')`,
  );
  await client.query(`DEALLOCATE ${view}`);
  return explained.rows[0]!['QUERY PLAN'][0].Plan;
}

const nodesOf = (plan: Plan): Plan[] => [plan, ...(plan.Plans ?? []).flatMap(nodesOf)];

describe.each(radiusViews)('%s', (view) => {
  test.each(['@vip', '@', ''])(
    'is read by indexes, for a user of a plan with the postfix "%s"',
    async (postfix) => {
      const rest = postfix === '@vip' ? 0 : postfix === '@' ? 1 : 2;
      const id = groupCount / 2 + rest;
      const username = `user${id}-3${postfix === '@' ? `@${id}` : postfix}`;
      const name = view.startsWith('radgroup') ? `group-${id}` : username;
      const client = await openTestConnection(app.url);
      try {
        const plan = await explain(client, view, name);
        const scans = nodesOf(plan).filter((node) =>
          ['groups', 'subscribers'].includes(node['Relation Name'] ?? ''),
        );
        expect(scans.length).toBeGreaterThan(0);
        for (const scan of scans) expect(scan['Node Type']).toMatch(/^(Index|Index Only|Bitmap Heap) Scan$/);
        expect(plan['Shared Hit Blocks'] + plan['Shared Read Blocks']).toBeLessThan(300);
        expect((await client.query(queryOf(view, true), [name])).rowCount).toBeGreaterThan(0);
      } finally {
        await client.end();
      }
    },
  );
});

test('a user name of 250 characters and one that many plans share are read by indexes, too', async () => {
  await app.sql(
    `INSERT INTO subscribers SELECT id, 'shared', now() - id * interval '1 ms' FROM groups WHERE username_postfix IS NULL ORDER BY id LIMIT 50`,
  );
  const client = await openTestConnection(app.url);
  try {
    for (const name of ['x'.repeat(250), 'x'.repeat(192), 'shared'])
      for (const view of ['radcheck', 'radreply', 'radusergroup'] as const) {
        const plan = await explain(client, view, name);
        expect(
          nodesOf(plan).filter(
            (node) => node['Node Type'] === 'Seq Scan' && node['Relation Name'] !== 'radius_settings',
          ),
        ).toStrictEqual([]);
        expect(plan['Shared Hit Blocks'] + plan['Shared Read Blocks']).toBeLessThan(20_000);
      }
  } finally {
    await client.end();
  }
});

test('with the expressions by which FreeRADIUS passes a name, which have another collation, the functions use the same indexes', async () => {
  const site = await readFile('deploy/freeradius/mods-enabled/plans', 'utf8');
  const [, expression] = /^\tuser_name = "(.*)"$/m.exec(site)!;
  const username = `user${groupCount / 2 + 2}-3`;
  const hex = Buffer.from(username).toString('hex');
  for (const view of ['radcheck', 'radreply', 'radusergroup'] as const)
    for (const name of [expression!.replace('%{hex:&User-Name}', hex), `'${username}' COLLATE "C"`]) {
      const read = async () => {
        const [explained] = await app.sql<{ 'QUERY PLAN': [{ Plan: Plan }] }>(
          `EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) SELECT * FROM radius.${view}_for(${name})`,
        );
        const [{ Plan: plan }] = explained!['QUERY PLAN'];
        return { rows: plan['Actual Rows'], blocks: plan['Shared Hit Blocks'] + plan['Shared Read Blocks'] };
      };
      // The first call in a session reads the catalogue, too.
      for (let session = 0; session < 8; session++) await read();
      const { rows, blocks } = await read();
      expect(rows).toBe(1);
      expect(blocks).toBeLessThan(60);
    }
});

const edited = {
  id: groupCount / 2 + 2,
  usernamePostfix: null,
  dailyBandwidth: '10GB',
  ip: null,
  multiLoginCount: 1,
};
const change: SessionChange = {
  eventId: '1',
  eventType: 'group.edited',
  eventAt: new Date().toISOString(),
  of: 'group',
  username: null,
  startsAt: null,
  groupId: edited.id,
  postfixes: [''],
  before: { ...edited, downloadUpload: '100/20' },
  after: { ...edited, downloadUpload: '50/20' },
  mustDisconnect: false,
  loginLimit: null,
};

test.each<[string, SessionChange, number]>([
  ['an edit of a group', change, 5],
  [
    'a removal',
    {
      ...change,
      of: 'subscriber',
      username: `user${edited.id}-3`,
      startsAt: change.eventAt,
      before: null,
      after: null,
      mustDisconnect: true,
    },
    1,
  ],
])('the sessions that %s concerns are found by indexes', async (_, one, count) => {
  await app.sql(`DELETE FROM radius_deliveries; DELETE FROM radius_feed`);
  await app.sql(`INSERT INTO radius_feed (cursor, sender) VALUES ('from', 'me')`);
  const { text, values } = fanOut(
    accountingTablesIn('freeradius'),
    'me',
    { from: 'from', to: 'to' },
    [one],
    [],
  );
  const [explained] = await app.sql<{ 'QUERY PLAN': [{ Plan: Plan }] }>(
    `EXPLAIN (ANALYZE, FORMAT JSON) ${text}`,
    values,
  );
  const scans = nodesOf(explained!['QUERY PLAN'][0].Plan).filter((node) =>
    ['radacct', 'subscribers'].includes(node['Relation Name'] ?? ''),
  );
  expect(scans.length).toBeGreaterThan(1);
  for (const scan of scans) expect(scan['Node Type']).toMatch(/^(Index|Index Only|Bitmap Heap) Scan$/);
  expect(await app.sql('SELECT FROM radius_deliveries')).toHaveLength(count);
});
