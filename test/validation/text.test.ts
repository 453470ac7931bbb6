import { beforeAll, describe, expect, test } from '@jest/globals';
import { createAutodialerClient } from '../support/autodialer.ts';
import { createProbes } from '../support/probes.ts';
import { plainGroup, useTestApp, type ApiResponse } from '../support/test-app.ts';

const app = useTestApp();
/** The group of the subscribers, and the number group. */
let subscribedGroup: number;
let numberGroup: string;
const { addGroup, call, readNumbers } = createAutodialerClient(() => app);
const { readState } = createProbes(() => app);
beforeAll(async () => {
  subscribedGroup = await app.createGroup();
  numberGroup = await addGroup();
});

/** A text field, with functions that send a text and read the stored one. */
type Field = {
  readonly name: string;
  /** The name in errors. */
  readonly argument: string;
  readonly send: (text: string) => Promise<ApiResponse>;
  readonly read: (answer: ApiResponse) => string;
};

const graphqlField = (
  name: string,
  argument: string,
  path: string,
  body: (text: string) => object,
  read: (data: Record<string, unknown>) => unknown,
): Field => ({
  name,
  argument,
  send: async (text) => app.post(path, body(text)),
  read: ({ body: { data } }) => read(data[path.slice(1)]) as string,
});
const groupField = (name: string) =>
  graphqlField(
    `a group's ${name}`,
    `group.${name}`,
    '/createGroup',
    (text) => ({ group: { ...plainGroup, [name]: text } }),
    (group) => group[name],
  );
const serviceGroupField = (name: string) =>
  graphqlField(
    `a service group's ${name}`,
    `serviceGroup.${name}`,
    '/createServiceGroup',
    (text) => ({ serviceGroup: { name: 'plain', [name]: text } }),
    (serviceGroup) => serviceGroup[name],
  );
const numberGroupField = (name: string): Field => ({
  name: `a number group's ${name}`,
  argument: name,
  send: async (text) => call('update', { _id: numberGroup, [name]: text }),
  read: ({ body }) => body.data[name],
});
const username = graphqlField(
  'a subscriber',
  'username',
  '/subscribe',
  (text) => ({ groupId: subscribedGroup, username: text }),
  (subscriber) => subscriber['username'],
);

const oneLine: readonly Field[] = [
  groupField('name'),
  groupField('tagName'),
  groupField('dailyBandwidth'),
  groupField('downloadUpload'),
  serviceGroupField('name'),
  serviceGroupField('language'),
  numberGroupField('name'),
  username,
];
const optional: readonly Field[] = [groupField('usernamePostfix'), groupField('usernamePostfixId')];
const severalLines: readonly Field[] = [
  groupField('description'),
  serviceGroupField('description'),
  numberGroupField('description'),
];

const errorOf = ({ body }: ApiResponse): string => body.errors?.[0].message ?? body.message;
const rejection = ({ argument, name }: Field, problem: string) =>
  name.startsWith('a number group') ? `Field '${argument}':value ${problem}` : `${argument} ${problem}`;

/** Invisible texts. */
const invisible: readonly string[] = [
  '',
  ' ',
  '\t\n',
  '\u00a0',
  '\u00ad',
  '\u034f',
  '\u061c',
  '\u115f',
  '\u1160',
  '\u17b4',
  '\u180e',
  '\u200b',
  '\u200c',
  '\u200d',
  '\u200e\u200f',
  '\u202a\u202c',
  '\u2060',
  '\u2800',
  '\u3000',
  '\u3164',
  '\ufe0f',
  '\ufeff',
  '\uffa0',
  '\u{e0020}',
  '\u2060 \u3164 \u200b',
];

describe.each(oneLine)('$name', (field) => {
  test.each(invisible)('a text of %j only is rejected as blank', async (text) => {
    const [state, numbers] = [await readState(), await readNumbers()];
    const answer = await field.send(text);
    expect(errorOf(answer)).toBe(rejection(field, 'must not be blank'));
    expect([await readState(), await readNumbers()]).toStrictEqual([state, numbers]);
  });
});

describe.each([...oneLine, ...optional])('$name', (field) => {
  test.each([
    'a\nb',
    'a\r\nb',
    'a\tb',
    'a\u0000b',
    'a\u0007b',
    'a\u0085b',
    'a\u2028b',
    'a\u2029b',
    'a\u009fb',
  ])('%j contains a control character', async (text) => {
    expect(errorOf(await field.send(text))).toBe(rejection(field, 'must not contain control characters'));
  });

  test('trims the text and normalizes it to NFC', async () => {
    expect(field.read(await field.send(' \n Cafe\u0301 \t'))).toBe('Caf\u00e9');
  });
});

describe.each([
  groupField('name'),
  groupField('tagName'),
  serviceGroupField('name'),
  numberGroupField('name'),
])('$name', (field) => {
  test.each(['می‌خواهم', 'کتاب‌ها', '❤️', '\u200f1\u200e', '.', 'ㅤx'])('accepts %j', async (text) => {
    expect(field.read(await field.send(text))).toBe(text);
  });
});

describe.each(severalLines)('$name', (field) => {
  test.each([
    ['a\nb', 'a\nb'],
    ['a\r\nb\r\n\r\nc', 'a\nb\n\nc'],
    ['a\rb', 'a\nb'],
    ['\n a\tb \r\n', 'a\tb'],
    ['سطر اول\nسطر دوم', 'سطر اول\nسطر دوم'],
    ['a\u2028b', 'a\u2028b'],
    ['', ''],
    ['\u200b', '\u200b'],
  ])('stores %j as %j', async (text, stored) => {
    expect(field.read(await field.send(text))).toBe(stored);
  });

  test.each(['a\u0000b', 'a\u0007b', 'a\u000bb', 'a\u000cb', 'a\u001bb', 'a\u007fb', 'a\u0085b'])(
    'rejects the control character in %j',
    async (text) => {
      expect(errorOf(await field.send(text))).toBe(rejection(field, 'must not contain control characters'));
    },
  );
});

test('each line end counts as one character', async () => {
  const description = `${'a\r\n'.repeat(999)}ab`;
  expect(errorOf(await groupField('description').send(`${description}c`))).toContain(
    'at most 2000 characters',
  );
  expect(groupField('description').read(await groupField('description').send(description))).toHaveLength(
    2000,
  );
});

test.each(['filter: { text: "\u3164" }', 'filter: { tagName: "\u200b" }'])(
  'a search by a blank %s is rejected',
  async (filter) => {
    const { body } = await app.graphql(`{ searchGroups(${filter}) { totalCount } }`);
    expect(body.errors[0].message).toMatch(/^filter\.(text|tagName) must not be blank$/);
  },
);

test.each(['\u3164', '\u200b'])('a search in the audit by the blank %j is rejected', async (account) => {
  const query = 'query ($filter: AuditFilter) { auditEvents(filter: $filter) { totalCount } }';
  const { body } = await app.graphql(query, { filter: { account } });
  expect(body.errors[0].message).toBe('filter.account must not be blank');
});

test.each(['groups', 'service_groups', 'number_groups'])(
  'the database rejects control characters in %s, but accepts the line breaks of descriptions',
  async (table) => {
    await addGroup();
    await app.createGroup();
    await app.post('/createServiceGroup', { serviceGroup: { name: 'plain' } });
    const write = (description: string) => app.sql(`UPDATE ${table} SET description = $1`, [description]);
    await write('a\n\tb');
    for (const control of ['\u0001', '\r', '\u000b', '\u001f', '\u007f', '\u0085'])
      await expect(write(`a${control}b`)).rejects.toThrow(`${table}_description_check`);
  },
);
