import { beforeAll, describe, expect, test } from '@jest/globals';
import { createAutodialerClient } from '../support/autodialer.ts';
import { createOlderDatabase } from '../support/older-database.ts';
import { openTestApp, useTestApp } from '../support/test-app.ts';

const app = useTestApp();
const { addGroup, call } = createAutodialerClient(() => app);

/** A stored text, and texts that find it. */
const alike: readonly (readonly [stored: string, ...searched: string[]])[] = [
  ['اشتراک ویژه', 'اشتراك ويژه', 'ویژۀ', 'ويژة', 'ويژهٔ'],
  ['مدرسة كبيرة', 'مدرسه', 'کبیره'],
  ['مى‌خواهم', 'می‌خواهم', 'میخواهم', 'مي\u200cخواهم'],
  ['كتابهاى ما', 'کتاب‌های', 'کتابهای'],
  ['مُحَمَّد', 'محمد', 'مُحَمّد'],
  ['أحمد آبادی', 'احمد ابادی', 'آحمد'],
  ['مسئول رؤیا', 'مسیول رویا', 'مسئول'],
  ['گـــروه تـست', 'گروه تست'],
  ['طرح ۱۲ و ٣٤', '12', '34', '۱۲', '٣٤', '۳۴', '١٢'],
  ['Plan 56', '۵۶', '٥٦'],
  ['Café Zürich', 'cafe zurich', 'CAFÉ', 'Cafe\u0301 ZÜRICH'],
  ['ÉCOLE ÅNGSTRÖM', 'école', 'ecole', 'angstrom'],
  ['Łódź Øresund Đuro', 'lodz', 'oresund', 'duro', 'ŁÓDŹ'],
  ['İstanbul ılık', 'istanbul', 'ilik'],
  ['ＦＵＬＬ width', 'full'],
  ['zero\u200bwidth\u00adtext', 'zerowidthtext', 'zero\u2060width'],
  ['half_100%', 'HALF_100%', '_100', '0%'],
  ['back\\slash', 'BACK\\S'],
];

const searchGroups = async (filter: object): Promise<string[]> => {
  const { body } = await app.graphql(
    'query ($filter: GroupFilter) { searchGroups(filter: $filter, first: 200) { totalCount nodes { name tagName } } }',
    { filter },
  );
  const { nodes, totalCount } = body.data.searchGroups as { nodes: { name: string }[]; totalCount: number };
  expect(totalCount).toBe(nodes.length);
  return nodes.map(({ name }) => name);
};
const searchNumberGroups = async (conditions: object, isAlike = true): Promise<string[]> => {
  const { body } = await call('search', { alike: isAlike, conditions, pagination: { count: 1000 } });
  return body.data.data.map(({ name }: { name: string }) => name).toSorted();
};

describe('equivalent spellings', () => {
  beforeAll(async () => {
    await app.createGroup({ name: 'other', tagName: 'other' });
    await addGroup({ name: 'other' });
    for (const [index, [stored]] of alike.entries()) {
      await app.createGroup({ name: `name${index} ${stored}` });
      await app.createGroup({ name: `tagged${index}`, tagName: stored });
      await app.createGroup({ name: `described${index}`, description: `first line\n${stored}` });
      await addGroup({ name: `name${index} ${stored}` });
      await addGroup({ name: `described${index}`, description: `first line\n${stored}` });
    }
  });

  test.each(
    alike.flatMap(([stored, ...texts], index) =>
      [stored, ...texts].map((text) => [text, stored, index] as const),
    ),
  )('a search for %j finds %j', async (text, stored, index) => {
    const own = [`name${index} ${stored.normalize('NFC')}`, `tagged${index}`, `described${index}`];
    const names = await searchGroups({ text });
    expect(names).toStrictEqual(expect.arrayContaining(own));
    expect(names).not.toContain('other');
    expect(await searchNumberGroups({ name: text })).toContain(own[0]);
    expect(await searchNumberGroups({ name: text })).not.toContain('other');
    expect(await searchNumberGroups({ description: text })).toContain(own[2]);
  });

  test.each(['12', '۵۶', 'ecole', 'محمد', '%', '_'])(
    'a search for %j finds only names with an equivalent spelling',
    async (text) => {
      const fold = (name: string) =>
        name
          .normalize('NFKD')
          .replace(/\p{Mn}/gu, '')
          .toLowerCase()
          .replace(/[۰-۹٠-٩]/g, (digit) => String(digit.charCodeAt(0) & 0xf));
      const expected = alike.flatMap(([stored], index) => {
        const names = [`name${index} ${stored}`, `tagged${index}`, `described${index}`];
        const texts = [names[0]!, names[1]! + stored, names[2]! + stored];
        return names.filter((_, position) => fold(texts[position]!).includes(fold(text)));
      });
      expect(expected.length).toBeGreaterThan(0);
      expect((await searchGroups({ text })).toSorted()).toStrictEqual(expected.toSorted());
    },
  );

  test('a search text does not match across two fields', async () => {
    await app.createGroup({ name: 'endofname', tagName: 'startoftag', description: 'startofdescription' });
    expect(await searchGroups({ text: 'endofname' })).toStrictEqual(['endofname']);
    expect(await searchGroups({ text: 'endofnamestartoftag' })).toStrictEqual([]);
    expect(await searchGroups({ text: 'startoftagstart' })).toStrictEqual([]);
  });

  test('a search text matches across two lines of a field', async () => {
    expect(await searchGroups({ text: 'first line\r\nCafe' })).toStrictEqual(['described10']);
    expect(await searchNumberGroups({ description: 'FIRST LINE\r\nCafe' })).toStrictEqual(['described10']);
  });

  test('a search of number groups without alike matches only an equal text', async () => {
    expect(await searchNumberGroups({ name: 'name4 محمد' }, false)).toStrictEqual([]);
    expect(await searchNumberGroups({ name: 'name4 مُحَمَّد' }, false)).toStrictEqual(['name4 مُحَمَّد']);
    expect(await searchNumberGroups({ description: 'first line\r\nCafé Zürich' }, false)).toStrictEqual([
      'described10',
    ]);
    expect(await searchNumberGroups({ description: 'first line' }, false)).toStrictEqual([]);
  });
});

test('a search for a rare text among many groups uses the index', async () => {
  await app.sql(`INSERT INTO groups (name, tag_name, description, duration, price)
    SELECT 'گروه ' || n, 'many', 'توضیح ' || n, 1, 1 FROM generate_series(1, 20000) n`);
  await app.sql('VACUUM ANALYZE groups');
  const rows = await app.sql<{ 'QUERY PLAN': string }>(
    `EXPLAIN SELECT count(*) FROM groups
     WHERE fold_text(name || E'\\x01' || tag_name || E'\\x01' || description) LIKE fold_pattern('nowhere')`,
  );
  expect(rows.map((row) => row['QUERY PLAN']).join('\n')).toContain('groups_search_idx');
  await app.sql(`DELETE FROM groups WHERE tag_name = 'many'`);
});

test('groups and number groups from before the migration are found like later ones', async () => {
  const old = await createOlderDatabase('0004_number_groups');
  await old.sql(
    `INSERT INTO groups (name, tag_name, duration, price) VALUES ('طرح ويژۀ ۱۲', 't', 1, 1), (E'\\u200b', 't', 1, 1)`,
  );
  await old.sql(`WITH list AS (INSERT INTO number_lists (unused_since) VALUES (NULL) RETURNING id)
    INSERT INTO number_groups (id, name, description, count, list_id) SELECT 'f00000000000000000000001', 'گروه كبير', 'd', 0, id FROM list`);
  // The server migrates the database when it starts.
  const migrated = await openTestApp({}, old);
  const groups = await migrated.graphql(
    '{ searchGroups(filter: { text: "ویژه 12" }) { nodes { id name } } }',
  );
  expect(groups.body.data.searchGroups.nodes).toMatchObject([{ name: 'طرح ويژۀ ۱۲' }]);
  const { id } = groups.body.data.searchGroups.nodes[0];
  const searched = await migrated.post('/api/v4/autodialer/groups/search', { conditions: { name: 'کبیر' } });
  expect(searched.body.data.data).toMatchObject([{ name: 'گروه كبير' }]);
  // Rows that were stored under older rules can still be edited, deleted and restored.
  const edited = await migrated.post('/editGroup', { id: id + 1, group: { description: 'a\nb' } });
  expect(edited.body.data.editGroup).toMatchObject({ name: '\u200b', description: 'a\nb' });
  expect((await migrated.post('/deleteGroup', { id: id + 1 })).status).toBe(200);
  const restored = await migrated.post('/restoreGroup', { id: id + 1 });
  expect(restored.body.data.restoreGroup).toMatchObject({ name: '\u200b', description: 'a\nb' });
  await migrated.close();
});
