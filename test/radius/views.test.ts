import { describe, expect, test } from '@jest/globals';
import { createCommandLine } from '../support/command-line.ts';
import { authorize, queryOf, radiusViews, rejected, type Authorization } from '../support/radius.ts';
import { future } from '../support/probes.ts';
import { useTestApp } from '../support/test-app.ts';
import { openTestConnection } from '../support/test-database.ts';

// The views of FreeRADIUS, through the functions that its queries read, and as a whole.

const app = useTestApp();
const { run } = createCommandLine(() => app);

let count = 0;
const newName = () => `user${++count}`;
const subscribe = async (username: string, groupId: number, dates: object = {}) => {
  const { status, body } = await app.post('/subscribe', { username, groupId, ...dates });
  expect([status, body.errors]).toStrictEqual([200, undefined]);
};
const inHours = (hours: number) => new Date(Date.now() + hours * 3_600_000).toISOString();

const full = {
  dailyBandwidth: '10GB',
  multiLoginCount: 2,
  downloadUpload: '100/20',
  ip: '192.0.2.7',
  usernamePostfix: '@vip',
};
const fullAttributes = (id: number): Pick<Authorization, 'check' | 'reply'> => ({
  check: {
    'User-Category': `group-${id}`,
    'Simultaneous-Use': '2',
    'Max-Daily-Octets': '10000000000',
  },
  reply: {
    'Mikrotik-Rate-Limit': '20M/100M',
    'WISPr-Bandwidth-Max-Down': '100000000',
    'WISPr-Bandwidth-Max-Up': '20000000',
    'Framed-IP-Address': '192.0.2.7',
  },
});

test('a running subscriber has the attributes of the plan, the postfix in the name, and the seconds until the end', async () => {
  const username = newName();
  const id = await app.createGroup(full);
  await subscribe(username, id, { expiresAt: inHours(2) });

  expect(await authorize(app, username)).toStrictEqual(rejected);
  const { sessionTimeout, ...others } = await authorize(app, `${username}@vip`);
  expect(others).toStrictEqual({ isKnown: true, groups: [`group-${id}`], ...fullAttributes(id) });
  expect(sessionTimeout).toBeGreaterThan(7200 - 180);
  expect(sessionTimeout).toBeLessThanOrEqual(7200);
});

test('a plan without limits, and a subscription without an end, have no attributes for them', async () => {
  const username = newName();
  const id = await app.createGroup({ multiLoginCount: 0, ip: 'STATIC' });
  await subscribe(username, id);
  expect(await authorize(app, username)).toStrictEqual({
    isKnown: true,
    groups: [`group-${id}`],
    check: { 'User-Category': `group-${id}` },
    reply: {},
    sessionTimeout: undefined,
  });
});

test.each([
  ['192.0.2.0/24', 'Framed-Pool', undefined],
  ['2001:db8::7', 'Framed-IPv6-Address', '2001:db8::7'],
  ['2001:db8::/32', 'Framed-IPv6-Pool', undefined],
])('of ip %s the reply has %s', async (ip, attribute, value) => {
  const username = newName();
  const id = await app.createGroup({ ip });
  await subscribe(username, id);
  expect((await authorize(app, username)).reply).toStrictEqual({ [attribute]: value ?? `group-${id}` });
});

test('a speed above 32 bits is exact for RouterOS, and the highest number for WISPr', async () => {
  const username = newName();
  await subscribe(username, await app.createGroup({ downloadUpload: '10G/5G' }));
  expect((await authorize(app, username)).reply).toStrictEqual({
    'Mikrotik-Rate-Limit': '5000M/10000M',
    'WISPr-Bandwidth-Max-Down': '4294967295',
    'WISPr-Bandwidth-Max-Up': '4294967295',
  });
});

describe('subscribers who are not running', () => {
  test('one who has not started yet has no row', async () => {
    const username = newName();
    await subscribe(username, await app.createGroup(), { startsAt: inHours(1), expiresAt: inHours(2) });
    expect(await authorize(app, username)).toStrictEqual(rejected);
  });

  test('one who has ended has no row in any view, although the table still has it', async () => {
    const username = newName();
    const id = await app.createGroup();
    await app.sql(
      `INSERT INTO subscribers VALUES ($1, $2, now() - interval '2 days', now() - interval '1 second')`,
      [id, username],
    );
    expect(await authorize(app, username)).toStrictEqual(rejected);
    for (const view of ['radcheck', 'radreply', 'radusergroup'])
      expect(
        await app.sql(`SELECT FROM radius.${view} WHERE strpos(username, $1) > 0`, [username]),
      ).toStrictEqual([]);
  });

  test('one who ends within a second has a Session-Timeout of 1', async () => {
    const username = newName();
    const id = await app.createGroup();
    // In one transaction, so that now() is the same.
    const connection = await openTestConnection(app.url);
    try {
      await connection.query('BEGIN');
      await connection.query(
        `INSERT INTO subscribers VALUES ($1, $2, now() - interval '1 day', now() + interval '0.5 s')`,
        [id, username],
      );
      const { rows } = await connection.query('SELECT value FROM radius.radreply_for($1)', [username]);
      expect(rows).toStrictEqual([{ value: '1' }]);
    } finally {
      await connection.end();
    }
  });

  test('a subscription until the year 9999 has the longest Session-Timeout that every device counts', async () => {
    const username = newName();
    await subscribe(username, await app.createGroup(), { expiresAt: '9999-12-31T00:00:00Z' });
    expect((await authorize(app, username)).sessionTimeout).toBe(2_147_483_647);
  });
});

describe('a user on several plans', () => {
  test('gets the one that started last, and the other one after its end', async () => {
    const username = newName();
    const [older, newer, postfixed] = [
      await app.createGroup({ multiLoginCount: 1 }),
      await app.createGroup({ multiLoginCount: 5 }),
      await app.createGroup({ usernamePostfix: '@x' }),
    ];
    await app.sql(
      `INSERT INTO subscribers SELECT id, $1, now() - hours * interval '1 h', now() + hours * interval '1 h'
       FROM (VALUES ($2::int, 20), ($3, 10), ($4, 1)) AS plan (id, hours)`,
      [username, older, newer, postfixed],
    );
    const both = await authorize(app, username);
    expect(both.groups).toStrictEqual([`group-${newer}`, `group-${older}`]);
    expect(both.check).toMatchObject({ 'User-Category': `group-${newer}`, 'Simultaneous-Use': '5' });
    expect(both.sessionTimeout).toBeGreaterThan(9 * 3600);
    expect(both.sessionTimeout).toBeLessThanOrEqual(10 * 3600);
    expect(
      await app.sql('SELECT groupname, priority FROM radius.radusergroup WHERE username = $1 ORDER BY 2', [
        username,
      ]),
    ).toStrictEqual([
      { groupname: `group-${newer}`, priority: 0 },
      { groupname: `group-${older}`, priority: 1 },
    ]);

    await app.sql('UPDATE subscribers SET expires_at = now() WHERE group_id = $1', [newer]);
    const one = await authorize(app, username);
    expect([one.groups, one.check['Simultaneous-Use']]).toStrictEqual([[`group-${older}`], '1']);
  });

  test('of plans that started at the same time, the one with the higher id comes first', async () => {
    const username = newName();
    const ids = [await app.createGroup(), await app.createGroup(), await app.createGroup()];
    await app.sql(`INSERT INTO subscribers SELECT unnest($1::int[]), $2, '2020-01-01Z'`, [ids, username]);
    expect((await authorize(app, username)).groups).toStrictEqual(
      ids.toReversed().map((id) => `group-${id}`),
    );
  });

  test('two subscribers whose names with their postfixes are equal are one user', async () => {
    const username = newName();
    const [plain, postfixed] = [await app.createGroup(), await app.createGroup({ usernamePostfix: '@vip' })];
    await subscribe(`${username}@vip`, plain);
    await subscribe(username, postfixed);
    const { groups } = await authorize(app, `${username}@vip`);
    expect(groups.toSorted()).toStrictEqual([`group-${plain}`, `group-${postfixed}`].toSorted());
    expect(
      await app.sql('SELECT FROM radius.radcheck WHERE username = $1', [`${username}@vip`]),
    ).toHaveLength(1);
  });
});

describe('changes are felt by the next query', () => {
  test('an edit of the plan, and of the postfix', async () => {
    const username = newName();
    const id = await app.createGroup(full);
    await subscribe(username, id);
    await app.post('/editGroup', { id, group: { downloadUpload: '512k/256k', usernamePostfix: '-new' } });
    expect(await authorize(app, `${username}@vip`)).toStrictEqual(rejected);
    expect((await authorize(app, `${username}-new`)).reply).toMatchObject({
      'Mikrotik-Rate-Limit': '256k/512k',
    });
  });

  test('a removal, a move, a delete with a move, and its restore', async () => {
    const username = newName();
    const [first, second, third] = [
      await app.createGroup(full),
      await app.createGroup({ usernamePostfix: '@vip' }),
      await app.createGroup({ usernamePostfix: '@vip' }),
    ];
    const groups = async () => (await authorize(app, `${username}@vip`)).groups;
    await subscribe(username, first, { expiresAt: future });
    await app.post('/moveSubscribers', { fromGroupId: first, toGroupId: second });
    expect(await groups()).toStrictEqual([`group-${second}`]);
    await app.post('/deleteGroup', { id: second, moveSubscribersTo: third });
    expect(await groups()).toStrictEqual([`group-${third}`]);
    expect(await app.sql('SELECT FROM radius.radgroupcheck WHERE group_id = $1', [second])).toStrictEqual([]);
    await app.post('/restoreGroup', { id: second, moveSubscribersBack: true });
    expect(await groups()).toStrictEqual([`group-${second}`]);
    await app.post('/removeUserSubscription', { username, groupId: second });
    expect(await authorize(app, `${username}@vip`)).toStrictEqual(rejected);
  });

  test('a retired plan works until it is gone, and an erased username is unknown', async () => {
    const username = newName();
    const id = await app.createGroup(full);
    await subscribe(username, id);
    await app.post('/retireGroup', { id, at: '2100-01-01T00:00:00Z' });
    expect((await authorize(app, `${username}@vip`)).groups).toStrictEqual([`group-${id}`]);

    // Ended, but still in the table.
    await app.sql(
      `UPDATE subscribers SET starts_at = '2020-01-01Z', expires_at = now() WHERE username = $1`,
      [username],
    );
    const { stdout, code } = await run('subscribers', 'erase', username, '--yes', '--json');
    expect(code).toBe(0);
    const { pseudonym } = JSON.parse(stdout);
    for (const name of [username, pseudonym])
      expect(await authorize(app, `${name}@vip`)).toStrictEqual(rejected);
  });
});

test('the functions return exactly the rows of the views, for names of every length and alphabet', async () => {
  const postfixes = [null, '', '@vip', '@', 'a', '.علی', 'x'.repeat(64)];
  const usernames = ['a', 'aa', 'a@vip', 'علی', 'é', 'u'.repeat(128), "o'hara", '%', 'a\\b', 'x'.repeat(100)];
  for (const usernamePostfix of postfixes) {
    const id = await app.createGroup({ usernamePostfix, multiLoginCount: 3, downloadUpload: '1/1' });
    for (const username of usernames) await subscribe(username, id, { expiresAt: future });
  }
  for (const view of radiusViews) {
    const key = view.startsWith('radgroup') ? 'groupname' : 'username';
    const all = await app.sql<Record<string, string>>(`SELECT * FROM radius.${view} ORDER BY ${key}, id`);
    expect(all.length).toBeGreaterThan(postfixes.length);
    // Unique, as a primary key.
    expect(new Set(all.map(({ id }) => id)).size).toBe(all.length);
    // In one statement, so that now() is the same.
    expect(
      await app.sql(
        `WITH by_view AS (SELECT * FROM radius.${view}),
           by_function AS (
             SELECT row.* FROM (SELECT DISTINCT ${key} AS key FROM by_view) AS keys, radius.${view}_for(key) AS row
           )
         (TABLE by_view EXCEPT ALL TABLE by_function) UNION ALL (TABLE by_function EXCEPT ALL TABLE by_view)`,
      ),
    ).toStrictEqual([]);
  }
  // Names that no one has.
  for (const name of [
    '',
    'b',
    'a@vi',
    'A',
    'x'.repeat(300),
    'group-0',
    'group-',
    'group-99999999999',
    'group-1 ',
  ])
    for (const view of radiusViews)
      expect(await app.sql(queryOf(view, true), [name])).toStrictEqual(
        await app.sql(queryOf(view, false), [name]),
      );
});

test('the views have the columns that FreeRADIUS reads, with the types of its tables', async () => {
  const rows = await app.sql(
    `SELECT table_name AS view, string_agg(column_name || ' ' || data_type, ', ' ORDER BY ordinal_position) AS columns
     FROM information_schema.columns WHERE table_schema = 'radius' GROUP BY 1 ORDER BY 1`,
  );
  const attributes = 'attribute text, op character varying, value text';
  expect(rows).toStrictEqual([
    {
      view: 'radcheck',
      columns: `id bigint, username text, ${attributes}, group_id integer, subscriber text`,
    },
    { view: 'radgroupcheck', columns: `id bigint, groupname text, ${attributes}, group_id integer` },
    { view: 'radgroupreply', columns: `id bigint, groupname text, ${attributes}, group_id integer` },
    {
      view: 'radreply',
      columns: `id bigint, username text, ${attributes}, group_id integer, subscriber text`,
    },
    {
      view: 'radusergroup',
      columns:
        'id bigint, username text, groupname text, priority integer, group_id integer, subscriber text',
    },
  ]);
});
