import { accessSync, constants, readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createCommandLine } from '../support/command-line.ts';
import { useTestApp } from '../support/test-app.ts';
import { createTestDatabase, type TestDatabase } from '../support/test-database.ts';
import { useTestFolder } from '../support/test-folder.ts';

// `groups import-radius`, from the tables that FreeRADIUS' own schema creates.

const schemaFile = '/etc/freeradius/3.0/mods-config/sql/main/postgresql/schema.sql';
const isInstalled = canRead(schemaFile);
if (!isInstalled)
  process.stderr.write('import-radius is not tried, since the package freeradius-config is not installed\n');
const describeIfInstalled = isInstalled ? describe : describe.skip;

function canRead(file: string): boolean {
  try {
    accessSync(file, constants.R_OK);
    return true;
  } catch {
    return false;
  }
}

const app = useTestApp();
const { run } = createCommandLine(() => app);
const folder = useTestFolder();

describeIfInstalled('groups import-radius', () => {
  let source: TestDatabase;
  beforeAll(async () => {
    source = await createTestDatabase({ isEmpty: true });
    await source.sql(readFileSync(schemaFile, 'utf8'));
    const add = async (table: string, rows: readonly (readonly [string, string, string, string])[]) => {
      for (const row of rows)
        await source.sql(
          `INSERT INTO ${table} (groupname, attribute, op, value) VALUES ($1, $2, $3, $4)`,
          row as never,
        );
    };
    await add('radgroupcheck', [
      ['gold', 'Simultaneous-Use', ':=', '3'],
      ['gold', 'Max-Daily-Octets', ':=', '10737418240'],
      ['silver', 'Simultaneous-Use', ':=', 'two'],
      ['silver', 'Expire-After', ':=', '2592000'],
      ['silver', 'NAS-IP-Address', '!=', '192.0.2.1'],
      ['silver', 'CS-Total-Octets-Daily', ':=', '5000000000'],
    ]);
    await add('radgroupreply', [
      ['gold', 'Mikrotik-Rate-Limit', ':=', '20M/100M 30M/150M 15M/80M 8/8 5 10M/50M'],
      ['gold', 'WISPr-Bandwidth-Max-Down', ':=', '100000000'],
      ['gold', 'WISPr-Bandwidth-Max-Up', ':=', '20000000'],
      ['gold', 'Framed-IP-Address', '=', '192.0.2.7'],
      ['gold', 'Framed-Pool', ':=', 'pool1'],
      ['silver', 'WISPr-Bandwidth-Max-Down', '=', '1500500'],
      ['silver', 'WISPr-Bandwidth-Max-Up', '=', '512000'],
      ['silver', 'Session-Timeout', ':=', '3600'],
      ['bronze', 'Mikrotik-Rate-Limit', ':=', '512k'],
      ['half', 'WISPr-Bandwidth-Max-Down', ':=', '1000000'],
      ['zero', 'WISPr-Bandwidth-Max-Down', ':=', '0'],
      ['zero', 'WISPr-Bandwidth-Max-Up', ':=', '0'],
      [' ', 'Service-Type', ':=', 'Framed-User'],
    ]);
    await source.sql(
      `INSERT INTO radusergroup (username, groupname) VALUES ('a', 'gold'), ('b', 'gold'), ('b', 'gold'), ('c', 'free')`,
    );
  });
  afterAll(() => source.drop());

  test('writes the plans to a file that groups import accepts, and reports each attribute that is not understood', async () => {
    const file = join(folder, 'plans.ndjson');
    const { code, stdout, stderr } = await run('groups', 'import-radius', '--from', source.url, file);
    expect(stderr.trimEnd().split('\n')).toStrictEqual([
      ' : Service-Type := "Framed-User" in radgroupreply: group-api has no field for it',
      expect.stringMatching(/^ : the group: group\.name must /),
      'gold: Mikrotik-Rate-Limit := "20M/100M 30M/150M 15M/80M 8/8 5 10M/50M" in radgroupreply: group-api has no bursts, priorities and minimum rates: 30M/150M 15M/80M 8/8 5 10M/50M',
      'gold: Framed-Pool := "pool1" in radgroupreply: group-api names a pool after its group: set ip to the CIDR block of the pool',
      'half: WISPr-Bandwidth-Max-Down := "1000000" in radgroupreply: a limit needs a download and an upload of 1 bit/s or more',
      'silver: Simultaneous-Use := "two" in radgroupcheck: not a whole number that group-api supports: 1 to 2147483647',
      'silver: NAS-IP-Address != "192.0.2.1" in radgroupcheck: the operator compares, and sets nothing',
      'silver: Session-Timeout := "3600" in radgroupreply: group-api has no field for it',
      'zero: WISPr-Bandwidth-Max-Down := "0" in radgroupreply: a limit needs a download and an upload of 1 bit/s or more',
      'zero: WISPr-Bandwidth-Max-Up := "0" in radgroupreply: a limit needs a download and an upload of 1 bit/s or more',
    ]);
    expect([code, stdout]).toStrictEqual([
      0,
      `Converted 6 groups of 7, with 3 users in them; 10 attributes not understood. File: ${file}\n`,
    ]);

    const lines = (await readFile(file, 'utf8'))
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(lines.slice(1, -1)).toMatchObject([
      { id: 1, name: 'bronze', downloadUpload: '512k/512k', dailyBandwidth: 'unlimited', multiLoginCount: 0 },
      { id: 2, name: 'free', downloadUpload: 'unlimited', ip: null, hidden: true, price: '0.00' },
      {
        id: 3,
        name: 'gold',
        downloadUpload: '100M/20M',
        dailyBandwidth: '10GiB',
        multiLoginCount: 3,
        ip: '192.0.2.7',
      },
      { id: 4, name: 'half', downloadUpload: 'unlimited' },
      { id: 5, name: 'silver', downloadUpload: '1500500bit/512k', dailyBandwidth: '5GB', duration: 30 },
      { id: 6, name: 'zero', downloadUpload: 'unlimited' },
    ]);

    const imported = await run('groups', 'import', file, '--new-ids', '--json');
    expect([imported.code, imported.stderr]).toStrictEqual([0, '']);
    const rows = await app.sql(
      `SELECT name, attribute, value FROM groups JOIN (
         SELECT * FROM radius.radgroupcheck UNION ALL SELECT * FROM radius.radgroupreply) AS a ON group_id = groups.id
       WHERE name IN ('gold', 'silver') AND attribute !~ 'WISPr' ORDER BY name, a.id`,
    );
    expect(rows).toStrictEqual([
      { name: 'gold', attribute: 'Simultaneous-Use', value: '3' },
      { name: 'gold', attribute: 'Max-Daily-Octets', value: '10737418240' },
      { name: 'gold', attribute: 'Mikrotik-Rate-Limit', value: '20M/100M' },
      { name: 'gold', attribute: 'Framed-IP-Address', value: '192.0.2.7' },
      { name: 'silver', attribute: 'Max-Daily-Octets', value: '5000000000' },
      { name: 'silver', attribute: 'Mikrotik-Rate-Limit', value: '512k/1500500' },
    ]);
  });

  test('writes the file to standard output, and the summary to standard error', async () => {
    const { code, stdout, stderr } = await run(
      'groups',
      'import-radius',
      '--from',
      source.url,
      '--tag',
      'isp',
      '--duration',
      '7',
      '--price',
      '5',
    );
    expect(code).toBe(0);
    const lines = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(lines.map(({ kind }) => kind)).toStrictEqual([
      'header',
      'group',
      'group',
      'group',
      'group',
      'group',
      'group',
      'end',
    ]);
    expect(lines[1]).toMatchObject({ tagName: 'isp', duration: 7, price: '5' });
    expect(stderr).toContain('Converted 6 groups of 7');
  });

  test('reads tables with other names and in another schema', async () => {
    await source.sql(
      `CREATE SCHEMA other; CREATE TABLE other.checks AS SELECT * FROM radgroupcheck WHERE groupname = 'gold';
       CREATE TABLE other.replies AS TABLE radgroupreply WITH NO DATA; CREATE TABLE other.users AS TABLE radusergroup WITH NO DATA`,
    );
    const url = new URL(source.url);
    url.searchParams.set('schema', 'other');
    const names = ['--check-table', 'checks', '--reply-table', 'replies', '--usergroup-table', 'users'];
    const { stdout } = await run('groups', 'import-radius', '--from', url.href, ...names);
    expect(stdout.trimEnd().split('\n')).toHaveLength(3);
  });

  test.each([
    [
      'a URL of MySQL',
      ['--from', 'mysql://localhost/radius'],
      /--from must be .*copy them to PostgreSQL first/,
    ],
    ['no URL', [], /required option '--from <url>'/],
    [
      'a duration that is no number',
      ['--from', 'SOURCE', '--duration', 'month'],
      /--duration must be a number of days/,
    ],
    ['a missing table', ['--from', 'SOURCE', '--check-table', 'nope'], /"nope".*Set \?schema=/],
    ['--json without a file', ['--from', 'SOURCE', '--json'], /--json requires a file/],
  ])('rejects %s, and writes nothing', async (_, args, message) => {
    const { code, stdout, stderr } = await run(
      'groups',
      'import-radius',
      ...args.map((arg) => (arg === 'SOURCE' ? source.url : arg)),
    );
    expect(code).not.toBe(0);
    expect(stdout).toBe('');
    expect(stderr).toMatch(message);
  });
});
