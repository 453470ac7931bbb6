import { beforeAll, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { countAuditBlocks, listAuditTables } from '../support/audit-blocks.ts';
import { useTestApp, type Json } from '../support/test-app.ts';

const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000);
const monthCount = 48;
/** Without a partition: its events are in the default partition. */
const missingMonth = 10;
/** Short, so that many events are close to the end of one. */
const monthMs = 60 * 60_000;
const start = Date.UTC(2026, 0, 1);
const entryCount = 3000;
const timeOf = (month: number) => new Date(start + month * monthMs).toISOString();

const app = useTestApp();

type Entry = {
  readonly id: number;
  readonly at: Date;
  readonly account: string;
  readonly targetIds: string[];
};
let entries: readonly Entry[];

beforeAll(async () => {
  const [first] = await app.sql<{ bound: string }>(
    `SELECT pg_get_expr(relpartbound, oid) AS bound FROM pg_class WHERE relname = 'audit_events_before_partitions'`,
  );
  const until = /TO \(('[^']+')\)/.exec(first!.bound)![1]!;
  const months = Array.from({ length: monthCount }, (_, month) => month).filter(
    (month) => month !== missingMonth,
  );
  const create = (name: string, from: string, to: string) =>
    `CREATE TABLE audit_events_${name} PARTITION OF audit_events FOR VALUES FROM (${from}) TO (${to})`;
  await app.sql(
    [
      'DROP TABLE audit_events_before_partitions',
      create('older', 'MINVALUE', `'${timeOf(0)}'`),
      ...months.map((month) => create(`month_${month}`, `'${timeOf(month)}'`, `'${timeOf(month + 1)}'`)),
      create('later', `'${timeOf(monthCount)}'`, until),
    ].join('; '),
  );
  // An event a minute, some with a time up to an hour before those of lower ids, also in another month.
  await app.sql(
    `INSERT INTO audit_events (at, account, credential, address, request_id, operation, target_ids, outcome)
     SELECT $2::timestamptz + n * interval '1 minute' - (n % 7) * (n % 11) * interval '1 minute',
       (ARRAY['a', 'b', 'rare'])[CASE WHEN n % 700 = 0 THEN 3 ELSE 1 + n % 2 END], 'api-key', '127.0.0.1', 'r' || n % 40,
       'deleteGroup', CASE n % 4 WHEN 0 THEN ARRAY['1', (n % 9)::text] WHEN 1 THEN ARRAY[(n % 9)::text, '1', '2', '3']
         ELSE ARRAY[(n % 9)::text] END, 'done'
     FROM generate_series(1, $1::int) n`,
    [entryCount, timeOf(0)],
  );
  entries = await app.sql(
    'SELECT id::int, at, account, target_ids AS "targetIds" FROM audit_events ORDER BY id DESC',
  );
  await app.sql(`SELECT brin_summarize_new_values(inhrelid)::int FROM pg_inherits
    WHERE inhparent = 'audit_events_time_idx'::regclass`);
});

const cursorOf = (id: number) => Buffer.from(JSON.stringify([String(id)])).toString('base64url');
const matches = (entry: Entry, { from, to, account, targetId }: Record<string, string>) =>
  (from === undefined || entry.at >= new Date(from)) &&
  (to === undefined || entry.at < new Date(to)) &&
  (account === undefined || entry.account === account) &&
  (targetId === undefined || entry.targetIds.includes(targetId));

// Most times are the start of a month, or close to it.
const time = fc
  .tuple(fc.integer({ min: -2, max: monthCount + 4 }), fc.constantFrom(0, 0, -60_000, 60_000, 1_234_567))
  .map(([month, ms]) => new Date(start + month * monthMs + ms).toISOString());
const filters = fc.record(
  {
    from: time,
    to: time,
    account: fc.constantFrom('a', 'rare', 'absent'),
    targetId: fc.constantFrom('1', '2', '8', 'absent'),
  },
  { requiredKeys: [] },
);

test(`a page of many months has exactly the events between two times, also those out of order (SEED=${seed})`, async () => {
  await fc.assert(
    fc.asyncProperty(filters, fc.integer({ min: 1, max: 60 }), fc.nat(), async (filter, first, place) => {
      const expected = entries.filter((entry) => matches(entry, filter));
      const offset = place % (expected.length + 1);
      const after = offset === 0 ? null : cursorOf(expected[offset - 1]!.id);
      const { body } = await app.graphql(
        `query ($filter: AuditFilter, $first: Int, $after: String) {
          auditEvents(filter: $filter, first: $first, after: $after) { nodes { id } totalCount } }`,
        { filter, first, after },
      );
      const { nodes, totalCount } = body.data.auditEvents;
      expect([nodes.map(({ id }: Json) => Number(id)), totalCount]).toStrictEqual([
        expected.slice(offset, offset + first).map(({ id }) => id),
        expected.length,
      ]);
    }),
    { numRuns: 60, seed },
  );
});

// 50 to 650 blocks. Each step of the search for a time would read 100 more, if it looked into all 50 partitions.
test.each<Record<string, string>>([
  {},
  { account: 'absent' },
  { targetId: 'absent' },
  { from: timeOf(30.5) },
  { to: timeOf(30.5) },
  { from: timeOf(20.3), to: timeOf(20.4) },
  { from: timeOf(3.5), to: timeOf(40.5) },
  { account: 'rare', from: timeOf(3.5), to: timeOf(40.5) },
])(
  'a page of many months reads few blocks with %j, and finds a time in the partition of its month alone',
  async (filter) => {
    expect(await countAuditBlocks(app.url, filter)).toBeLessThan(1000);
  },
);

test.each([{}, { account: 'rare' }, { targetId: '1' }, { outcome: 'done' }, { requestId: 'r1' }])(
  'a page of times in one month opens no partition of other months, with %j',
  async (filter) => {
    const from = new Date(start + 20.2 * monthMs).toISOString();
    const to = new Date(start + 20.4 * monthMs).toISOString();
    expect(await listAuditTables(app.url, { ...filter, from, to })).toStrictEqual(['audit_events_month_20']);
  },
);
