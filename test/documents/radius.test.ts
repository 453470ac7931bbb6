import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { readBlocks, withValue } from '../support/documented-commands.ts';
import { hasFreeRadius, parseResponse } from '../support/freeradius.ts';
import { openRadiusNetwork, type RadiusNetwork } from '../support/radius-network.ts';

// docs/radius.md: its commands, one after the other, with other folders and ports.

const testIfInstalled = hasFreeRadius ? test : test.skip;
/** Each documented command is a separate process. */
const timeLimitMs = 300_000;
let network: RadiusNetwork;
beforeAll(async () => {
  if (hasFreeRadius) network = await openRadiusNetwork();
}, 180_000);
afterAll(async () => {
  await network?.plans.drop();
  await network?.close();
});

const run = async (command: string) => network.run(command);
const withoutSeconds = (text: string) => text.replace(/(Session-Timeout = )\d+/, '$1…');

testIfInstalled(
  'the documented commands lead to an accepted user, whom a removal rejects',
  async () => {
    const [login, shown] = await readBlocks('docs/radius.md', 'A plan, a user, a login');
    const [prepare, radtest] = login!.text.split('sudo systemctl restart freeradius\n') as [string, string];
    await run(prepare);
    await network.restart();
    const signIn = async () =>
      // radtest fails for a rejection, too.
      parseResponse(
        await run(
          `${withValue(radtest, ' localhost ', ` 127.0.0.1:${network.radius().port} `).trim()} || true`,
        ),
      );
    const { code, attributes } = await signIn();
    const expected = parseResponse(shown!.text);
    expect([code, attributes.map(withoutSeconds)]).toStrictEqual([
      expected.code,
      expected.attributes.map(withoutSeconds),
    ]);
    await run('npx --no-install group-api subscribers remove ali --yes');
    expect(await signIn()).toStrictEqual({ code: 'Access-Reject', attributes: [] });
  },
  timeLimitMs,
);

testIfInstalled(
  'after the documented grants, doctor has no objection to the roles and the open sessions',
  async () => {
    for (const { text } of await readBlocks('docs/radius.md', 'Running sessions')) {
      const report = await run(text);
      expect(report).toMatch(/^ok .*radius/im);
      expect(report).not.toMatch(/^(error|warning) .*radius/im);
    }
  },
  timeLimitMs,
);

testIfInstalled(
  'the documented commands convert the groups of other tables, and import them',
  async () => {
    const [convert, load] = (
      await readBlocks('docs/radius.md', 'Coming from radusergroup or daloRADIUS')
    )[0]!.text
      .trim()
      .split(/\n(?=npx)/) as [string, string];
    await network.freeRadiusSql(
      `INSERT INTO radgroupreply (groupname, attribute, op, value) VALUES ('gold', 'Mikrotik-Rate-Limit', ':=', '5M/20M')`,
    );
    await run(
      withValue(
        convert,
        'postgresql://radius@old-server/radius',
        'postgresql://freeradius@localhost/plans?schema=freeradius',
      ),
    );
    await run(load);
    expect(
      await network.plans.sql('SELECT download_upload, multi_login_count FROM groups WHERE name = $1', [
        'gold',
      ]),
    ).toStrictEqual([{ download_upload: '20M/5M', multi_login_count: 0 }]);
  },
  timeLimitMs,
);

testIfInstalled('the table of texts says what they are read as', async () => {
  const page = await readFile(new URL('../../docs/radius.md', import.meta.url), 'utf8');
  const rows = [...page.matchAll(/^\| `(downloadUpload|dailyBandwidth)` +\| (`[^|]+`) +\| ([^|`]+?) +\|$/gm)];
  expect(rows.length).toBeGreaterThan(4);
  for (const [, field, texts, meaning] of rows)
    for (const [, text] of texts!.matchAll(/`([^`]+)`/g)) {
      const [row] = await network.plans.sql<{ rate: string[] | null; quota: string | null }>(
        'SELECT download_upload_bits($1) AS rate, daily_bytes($1) AS quota',
        [text],
      );
      const value = field === 'downloadUpload' ? row!.rate?.join(' / ') : row!.quota;
      expect([text, value ?? 'no limit']).toStrictEqual([text, meaning!.replaceAll(/,(?=\d{3})/g, '')]);
    }
});
