import { beforeAll, describe, expect, test } from '@jest/globals';
import { createAutodialerClient } from '../support/autodialer.ts';
import { createCommandLine } from '../support/command-line.ts';
import { useTestApp, type Json } from '../support/test-app.ts';

const app = useTestApp();

const { addGroup, call } = createAutodialerClient(() => app);
const { run } = createCommandLine(() => app);

/** Names with wildcards of LIKE, each with names that only a pattern would match. */
const names = [
  String.raw`a\b`,
  'ab',
  String.raw`a\\b`,
  'axb',
  'a_b',
  '100%',
  '1000',
  '100',
  '_',
  '%',
  '\\',
  String.raw`\%`,
  String.raw`\_`,
  String.raw`ends with \ `.trim(),
  'a%b',
  // The index finds long words by their ends.
  'reseller 4321',
  'reskiller 4321',
  'abcdefg_hijklmnop',
  'abcdefgxhijklmnop',
  'فروشندگان ۴۳۲۱',
  'فروردگان ۴۳۲۱',
];
const searches = [
  String.raw`a\b`,
  String.raw`A\B`,
  String.raw`a\\b`,
  'a_b',
  '100%',
  '_',
  '%',
  '\\',
  String.raw`\\`,
  String.raw`\%`,
  String.raw`\_`,
  '%%',
  '__',
  'a%b',
  String.raw`\b`,
  String.raw`h \ `.trim(),
  'Reseller 43',
  'defg_hijklmnop',
  'فروشندگان ۴۳',
];
const containing = (text: string) =>
  names.filter((name) => name.toLowerCase().includes(text.toLowerCase())).toSorted();

describe.each(['name', 'description', 'tagName'])('searchGroups by text in the %s', (field) => {
  beforeAll(async () => {
    await app.sql('TRUNCATE groups CASCADE');
    for (const text of names)
      await app.createGroup({ name: 'n', description: '', tagName: 't', [field]: text });
  });

  test.each(searches)('searchGroups for %s finds exactly this text, in any case', async (text) => {
    const { body } = await app.graphql(
      `query ($text: String) { searchGroups(filter: { text: $text }, first: 100) { nodes { ${field} } totalCount } }`,
      { text },
    );
    const { nodes, totalCount } = body.data.searchGroups;
    expect(nodes.map((node: Json) => node[field]).toSorted()).toStrictEqual(containing(text));
    expect(totalCount).toBe(containing(text).length);
  });
});

test.each([String.raw`a\b`, '100%', '_'])('groups list --text %s finds exactly this text', async (text) => {
  await app.sql('TRUNCATE groups CASCADE');
  for (const name of names) await app.createGroup({ name });
  const { stdout } = await run('groups', 'list', '--text', text, '--json');
  expect(
    JSON.parse(stdout)
      .groups.map(({ name }: Json) => name)
      .toSorted(),
  ).toStrictEqual(containing(text));
});

describe.each(['name', 'description'])("the autodialer's search by the %s", (field) => {
  beforeAll(async () => {
    await app.sql('TRUNCATE number_groups CASCADE');
    for (const text of names) await addGroup({ name: 'n', description: '', [field]: text });
  });
  const search = async (alike: boolean, text: string) => {
    const { body } = await call('search', {
      alike,
      conditions: { [field]: text },
      pagination: { start: 0, count: 100 },
    });
    const values = body.data.data.map((group: Json) => group[field]).toSorted();
    expect(body.data.pagination.total).toBe(values.length);
    return values;
  };

  test.each(searches)(
    'a search for %s with alike finds the values that contain exactly this text',
    async (text) => {
      expect(await search(true, text)).toStrictEqual(containing(text));
    },
  );

  test.each(names)('a search for %s without alike finds the values that equal this text', async (text) => {
    expect(await search(false, text)).toStrictEqual([text]);
  });
});
