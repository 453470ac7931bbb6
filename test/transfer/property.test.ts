import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { createMutationRunner } from '../../src/mutations/mutation-runner.ts';
import { createCommandCall } from '../../src/cli/command-context.ts';
import { openDatabase, type Database } from '../../src/database/database.ts';
import { createLogger } from '../../src/process/logger.ts';
import { exportGroups } from '../../src/transfer/export-groups.ts';
import { importGroups } from '../../src/transfer/import-groups.ts';
import type { NewIdMaps } from '../../src/transfer/new-ids.ts';
import { chooseSeed } from '../support/random.ts';
import { createTestDatabase, type TestDatabase } from '../support/test-database.ts';
import { emptyTables } from '../support/transfer.ts';

let from: TestDatabase & { opened: Database };
let to: TestDatabase & { opened: Database };
beforeAll(async () => {
  [from, to] = await Promise.all([open(), open()]);
});
afterAll(async () => {
  for (const database of [from, to]) {
    await database.opened.close();
    await database.drop();
  }
});

async function open() {
  const database = await createTestDatabase();
  const log = await createLogger('silent', false);
  return { ...database, opened: await openDatabase({ url: database.url, dataDir: '', poolSize: 2 }, log) };
}

const exportFrom = async ({ opened }: { opened: Database }, ids?: number[]): Promise<string> => {
  const stream = new PassThrough();
  const request = { ids, onProgress: () => undefined };
  const [written] = await Promise.all([text(stream), exportGroups(opened.prisma, request, stream)]);
  return written.replace(/"exportedAt":"[^"]+"/, '"exportedAt":"2026-11-22T00:00:00.000Z"');
};
const importInto = async (
  { opened }: { opened: Database },
  file: string,
  onNewIds?: (maps: NewIdMaps) => Promise<void>,
) => {
  const log = await createLogger('silent', false);
  const call = createCommandCall('groups import', []);
  async function* pieces() {
    // In chunks that end anywhere, even within a character.
    const bytes = Buffer.from(file);
    for (let at = 0; at < bytes.length; at += 777) yield bytes.subarray(at, at + 777);
  }
  const source = { open: pieces, onProgress: () => undefined, onNewIds };
  return importGroups(createMutationRunner(opened.prisma, log), source, call);
};

/** A text that the API stores unchanged. */
const textOf = (max: number, min = 0) =>
  fc
    .string({ unit: 'binary', maxLength: max })
    .map((value) => value.replace(/\p{C}/gu, '').trim().normalize('NFC'))
    .map((value) => Array.from(value).slice(0, max).join('').trim())
    .filter((value) => value.length >= min);
const instant = fc.date({ min: new Date('0001-01-01Z'), max: new Date('9999-12-31Z'), noInvalidDate: true });
const optional = <T>(values: fc.Arbitrary<T>) => fc.option(values, { nil: null });
const decimal = fc
  .tuple(fc.bigInt(0n, 999_999_999_999n), fc.integer({ min: 0, max: 9999 }))
  .map(([whole, fraction]) => `${whole}.${String(fraction).padStart(4, '0')}`);
const int = fc.integer({ min: 0, max: 2_147_483_647 });

const serviceGroup = fc.record({
  name: textOf(128, 1),
  description: textOf(2000),
  language: optional(textOf(64, 1)),
  discount: fc.double({ min: 0, max: 100, noNaN: true }),
});
const group = fc.record({
  name: textOf(128, 1),
  description: textOf(2000),
  tag_name: textOf(64, 1),
  duration: int,
  price: decimal,
  username_postfix: optional(textOf(64)),
  username_postfix_id: optional(textOf(64)),
  daily_bandwidth: textOf(64, 1),
  multi_login_count: int,
  download_upload: textOf(64, 1),
  ip: optional(fc.oneof(fc.ipV4(), fc.ipV6(), fc.constantFrom('STATIC', 'DYNAMIC', '10.0.0.0/8'))),
  hidden: fc.boolean(),
  protected: fc.boolean(),
  version: fc.integer({ min: 1, max: 2_147_483_647 }),
  created_at: instant,
  updated_at: instant,
  /** The index of its service group; an index beyond the last: without one. */
  family: fc.nat(4),
  isDeleted: fc.boolean(),
  reason: optional(textOf(500)),
  subscribers: fc.uniqueArray(textOf(128, 1), { maxLength: 4 }),
  former: fc.array(
    fc.record({
      username: textOf(2, 1),
      starts_at: instant,
      expires_at: optional(instant),
      removed_at: instant,
    }),
    { maxLength: 4 },
  ),
});
const state = fc.record({
  serviceGroups: fc.array(serviceGroup, { maxLength: 3 }),
  groups: fc.array(group, { maxLength: 8 }),
  skippedIds: fc.nat(1000),
});
type State = typeof state extends fc.Arbitrary<infer T> ? T : never;

async function fill(database: TestDatabase, { serviceGroups, groups, skippedIds }: State): Promise<number[]> {
  const sql = <Row>(statement: string, values?: unknown[]) => database.sql<Row>(statement, values);
  await sql(emptyTables);
  await sql(`SELECT setval('groups_id_seq', $1)`, [skippedIds + 1]);
  const insert = async (table: string, row: object): Promise<number> => {
    const [made] = await sql<{ id: number }>(
      `INSERT INTO ${table} (${Object.keys(row).join()}) SELECT ${Object.keys(row).join()}
       FROM jsonb_populate_record(NULL::${table}, $1) RETURNING id`,
      [JSON.stringify(row)],
    );
    return made!.id;
  };
  const families: number[] = [];
  for (const row of serviceGroups) families.push(await insert('service_groups', row));
  const ids: number[] = [];
  for (const { family, isDeleted, reason, subscribers, former, ...row } of groups) {
    const id = await insert('groups', { ...row, service_group_id: families[family] ?? null });
    ids.push(id);
    for (const ended of former) await insert('subscriber_history', { group_id: id, ...ended });
    if (isDeleted) {
      await sql(
        `WITH gone AS (DELETE FROM groups WHERE id = $1 RETURNING group_row(groups) AS row)
         INSERT INTO deleted_groups SELECT $1, row, now(), 'someone', $2, now() + interval '1 day', 3 FROM gone`,
        [id, reason],
      );
    } else {
      await sql(
        `INSERT INTO subscribers (group_id, username, expires_at)
         SELECT $1, username, nullif(ordinal, 1) * interval '1 day' + now() FROM unnest($2::text[]) WITH ORDINALITY AS u (username, ordinal)`,
        [id, subscribers],
      );
    }
  }
  return ids;
}

test('an export of generated data is imported unchanged, whole or in part; a second import changes nothing', async () => {
  const seed = chooseSeed('transfer');
  await fc.assert(
    fc.asyncProperty(state, async (generated) => {
      const ids = await fill(from, generated);
      await to.sql(emptyTables);

      const file = await exportFrom(from);
      await importInto(to, file);
      expect(await exportFrom(to)).toBe(file);
      const { samplesRemoved, newIdCounts, ...again } = await importInto(to, file);
      expect([samplesRemoved, newIdCounts]).toStrictEqual([undefined, undefined]);
      expect(Object.values(again).map(({ added, restored }) => added + restored)).toStrictEqual([
        0, 0, 0, 0, 0,
      ]);
      expect(await exportFrom(to)).toBe(file);

      if (ids.length === 0) return;
      const part = await exportFrom(from, ids.slice(0, 2));
      await to.sql(emptyTables);
      await importInto(to, part);
      expect(await exportFrom(to, ids.slice(0, 2))).toBe(part);
    }),
    { seed, numRuns: 30 },
  );
}, 120_000);

type Line = Record<string, unknown>;

/** Replaces the ids in the lines of a file, and sorts them by the new ones, each once: equal service groups may become one. */
function withNewIds(file: string, { serviceGroups, groups, deletedGroups }: NewIdMaps): string[] {
  const replace = (line: Line): Line => {
    const { kind, id, groupId, serviceGroupId, group: archived } = line;
    const map = kind === 'serviceGroup' ? serviceGroups : groups;
    return {
      ...line,
      ...(id !== undefined && { id: map.get(Number(id)) ?? deletedGroups.get(Number(id)) }),
      ...(groupId !== undefined && {
        groupId: groups.get(Number(groupId)) ?? deletedGroups.get(Number(groupId)),
      }),
      ...(serviceGroupId != null && { serviceGroupId: serviceGroups.get(Number(serviceGroupId)) }),
      ...(archived !== undefined && { group: replace(archived as Line) }),
    };
  };
  const lines = file.trimEnd().split('\n').slice(1, -1);
  return [...new Set(lines.map((line) => JSON.stringify(replace(JSON.parse(line) as Line))))].toSorted();
}

test('an export of generated data is imported with new ids into a database with its own data, which stays unchanged', async () => {
  const seed = chooseSeed('transfer with new ids');
  await fc.assert(
    fc.asyncProperty(state, state, async (generated, own) => {
      await fill(from, generated);
      await fill(to, own);
      const file = await exportFrom(from);
      const linesOf = (exported: string) => exported.trimEnd().split('\n').slice(1, -1);
      const before = linesOf(await exportFrom(to));

      let maps: NewIdMaps | undefined;
      await importInto(to, file, async (assigned) => {
        maps = assigned;
      });
      const after = linesOf(await exportFrom(to));
      expect(after).toStrictEqual(expect.arrayContaining(before));
      const added = withNewIds(file, maps!);
      expect(new Set(after)).toStrictEqual(new Set([...before, ...added]));
      expect(new Set(after).size).toBe(after.length);
    }),
    { seed, numRuns: 30 },
  );
}, 120_000);
