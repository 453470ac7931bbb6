import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { createCommandLine } from '../support/command-line.ts';
import type { Json } from '../support/test-app.ts';
import { createTestDatabase, type TestDatabase } from '../support/test-database.ts';

// Files of other versions: of each released version, without later fields, and with fields of a newer version. The
// fixtures were written by `groups export` of the version in their names.

type Line = Record<string, Json>;
const readFixture = (version: string) =>
  readFileSync(new URL(`../fixtures/export-${version}.ndjson`, import.meta.url), 'utf8');
const versions = ['0.1', '0.2'];
const parseLines = (text: string): Line[] =>
  text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
const file = readFixture('0.2');
const lines: readonly Line[] = parseLines(file);

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());
beforeEach(async () => {
  await database.sql(
    'TRUNCATE groups, service_groups, subscribers, subscriber_history, deleted_groups RESTART IDENTITY',
  );
});
const { run, runWith } = createCommandLine(() => database);
const write = (edited: readonly Line[]) => edited.map((line) => `${JSON.stringify(line)}\n`).join('');
const importText = (text: string) => runWith(text, 'groups', 'import', '-', '--json');
/** Expects the database to have the records of a file, with all fields of the file. Later versions export more fields. */
const expectExported = async (text: string) => {
  const exported = parseLines((await run('groups', 'export')).stdout);
  const expected = parseLines(text).map(({ exportedAt: _exportedAt, ...line }) => line);
  expect(exported).toMatchObject(expected);
};
const countRows = async () => {
  const [row] = await database.sql<{ count: number }>(
    `SELECT ((SELECT count(*) FROM groups) + (SELECT count(*) FROM service_groups) + (SELECT count(*) FROM subscribers) + (SELECT count(*) FROM subscriber_history) +
      (SELECT count(*) FROM deleted_groups))::int AS count`,
  );
  return row!.count;
};

test('there is a fixture for each released version', () => {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
    version: string;
  };
  expect(versions.at(-1)).toBe(version.split('.').slice(0, 2).join('.'));
});

test.each(versions)(
  'a file of version %s is imported with all its fields; a second import changes nothing',
  async (version) => {
    const text = readFixture(version);
    const first = await importText(text);
    expect([first.code, first.stderr]).toStrictEqual([0, '']);
    expect(JSON.parse(first.stdout)).toMatchObject({
      serviceGroups: { added: 2 },
      groups: { added: 2 },
      subscribers: { added: 3 },
      deletedGroups: { added: 1 },
    });
    await expectExported(text);
    const second = JSON.parse((await importText(text)).stdout);
    expect(second).toMatchObject({
      serviceGroups: { unchanged: 2 },
      deletedGroups: { unchanged: 1 },
      formerSubscribers: { added: 0, unchanged: version === '0.1' ? 0 : 3 },
    });
    await expectExported(text);
  },
);

test.each(versions)(
  'a file of version %s is imported twice with --new-ids; both copies have all its fields',
  async (version) => {
    const text = readFixture(version);
    await importText(text);
    const { code, stderr } = await runWith(text, 'groups', 'import', '-', '--new-ids');
    expect([code, stderr]).toStrictEqual([0, '']);
    const copies = await database.sql(
      `SELECT count(*)::int AS count FROM (SELECT group_row(groups) AS row FROM groups UNION ALL SELECT group_row FROM deleted_groups)
     AS copy GROUP BY row - 'id' ORDER BY min((row ->> 'id')::int)`,
    );
    expect(copies).toStrictEqual([{ count: 2 }, { count: 2 }, { count: 2 }]);
  },
);

describe('fields that a file lacks', () => {
  /** The kinds of records with their tables; `group` is also the group of a deleted group. */
  const tables = {
    serviceGroup: 'service_groups',
    group: 'groups',
    subscriber: 'subscribers',
    deletedGroup: 'deleted_groups',
    formerSubscriber: 'subscriber_history',
  };
  type Kind = keyof typeof tables;
  const columnOf = (field: string) =>
    field === 'group' ? 'group_row' : field.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  const fieldsOf = (kind: Kind) =>
    Object.keys(lines.find((line) => line['kind'] === kind)!).filter((name) => name !== 'kind');
  const without = (kind: Kind, field: string) =>
    write(
      lines.map((line) => {
        const edited = structuredClone(line);
        if (line['kind'] === kind) delete edited[field];
        if (line['kind'] === 'deletedGroup' && kind === 'group') delete edited['group'][field];
        return edited;
      }),
    );
  const cases = (Object.keys(tables) as Kind[]).flatMap((kind) =>
    fieldsOf(kind).map((field): [Kind, string] => [kind, field]),
  );
  /** They have a default, but a subscription without its dates would start now and never expire. */
  const requiredDates = ['startsAt', 'expiresAt', 'removedAt'];

  test.each(cases)(
    "a file without %s.%s is imported with the table's default, or rejected if there is none",
    async (kind, field) => {
      const [column] = await database.sql<{ is_optional: boolean; default_value: string | null }>(
        `SELECT is_nullable = 'YES' OR column_default IS NOT NULL AS is_optional,
           row_defaults($1::text::regclass) ->> column_name AS default_value
         FROM information_schema.columns WHERE table_name = $1::text AND column_name = $2`,
        [tables[kind], columnOf(field)],
      );
      const { code, stderr } = await importText(without(kind, field));
      if (!column!.is_optional || (kind.endsWith('ubscriber') && requiredDates.includes(field))) {
        expect([code, JSON.parse(stderr).error]).toMatchObject([
          1,
          { code: 'BAD_USER_INPUT', argument: `${kind}.${field}` },
        ]);
        expect(stderr).toContain(`${kind}.${field} is required`);
        expect(await countRows()).toBe(0);
        return;
      }
      expect([code, stderr]).toStrictEqual([0, '']);
      const stored = await database.sql<{ value: string | null }>(
        `SELECT to_jsonb(t) ->> $1 AS value FROM ${tables[kind]} AS t
         ${kind === 'group' ? 'UNION ALL SELECT group_row ->> $1 FROM deleted_groups' : ''}`,
        [columnOf(field)],
      );
      const isDate = field.endsWith('At');
      for (const { value } of stored) {
        if (isDate) expect(Date.parse(value!)).toBeGreaterThan(Date.now() - 60_000);
        else expect(value).toBe(column!.default_value);
      }
      expect(stored.length).toBeGreaterThan(0);

      // A field that the file lacks is not compared.
      const again = await importText(without(kind, field));
      expect([again.code, again.stdout]).toStrictEqual([0, expect.not.stringMatching(/"added":[1-9]/)]);
    },
  );

  test('a null is a value: a file with a null where the database has a text is rejected, and changes nothing', async () => {
    await importText(file);
    await database.sql(`UPDATE groups SET ip = '192.0.2.1' WHERE id = 2`);
    const { code, stderr } = await importText(file);
    expect([code, JSON.parse(stderr).error.records]).toStrictEqual([
      1,
      [{ kind: 'group', id: 2, outcome: 'differs' }],
    ]);
    expect(await database.sql('SELECT ip FROM groups WHERE id = 2')).toStrictEqual([{ ip: '192.0.2.1' }]);
  });
});

describe('fields of a newer version', () => {
  const cases: [string, (line: Line) => void, string][] = [
    ['header', (line) => (line['tenant'] = 'a'), 'header.tenant'],
    ['header', (line) => (line['lastIds'].tenant = 1), 'lastIds.tenant'],
    ['serviceGroup', (line) => (line['color'] = 'red'), 'serviceGroup.color'],
    ['group', (line) => (line['color'] = null), 'group.color'],
    ['subscriber', (line) => (line['note'] = ''), 'subscriber.note'],
    ['formerSubscriber', (line) => (line['note'] = ''), 'formerSubscriber.note'],
    ['deletedGroup', (line) => (line['note'] = ''), 'deletedGroup.note'],
    ['deletedGroup', (line) => (line['group'].color = 'red'), 'group.color'],
    ['end', (line) => (line['vouchers'] = 0), 'end.vouchers'],
  ];
  test.each(cases)(
    'a %s with an unknown field is rejected by the name of the field, and nothing is imported',
    async (kind, add, name) => {
      const edited = structuredClone(lines) as Line[];
      const index = edited.findIndex((line) => line['kind'] === kind);
      add(edited[index]!);
      const { code, stderr } = await importText(write(edited));
      const { error } = JSON.parse(stderr);
      expect([code, error.code, error.line]).toStrictEqual([1, 'BAD_USER_INPUT', index + 1]);
      expect(error.message).toContain(`${name} is not a field: the fields are`);
      expect(error.message).toContain('If the file is of a newer version of group-api, update this one');
      expect(await countRows()).toBe(0);
    },
  );

  test('an unknown kind of record is rejected by the names of the kinds, and nothing is imported', async () => {
    const { code, stderr } = await importText(write([lines[0]!, { kind: 'voucher', id: 1 }]));
    expect([code, stderr]).toStrictEqual([
      1,
      expect.stringMatching(
        /Line 2: kind must be one of header, .*, end, not \\"voucher\\"\. If the file is of a newer version/,
      ),
    ]);
    expect(await countRows()).toBe(0);
  });
});
