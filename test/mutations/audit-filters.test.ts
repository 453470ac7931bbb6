import { beforeAll, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { countAuditBlocks } from '../support/audit-blocks.ts';
import { openTestApp, useTestApp, type Json } from '../support/test-app.ts';
import { useTestDatabase } from '../support/test-database.ts';
import { waitUntil } from '../support/wait-until.ts';

const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000);
const entryCount = 3000;
/** Far more than an `in` list of Prisma or a PostgreSQL statement accepts. */
const crowdedCount = 40_000;

const app = useTestApp();

const readPage = async (filter: object, page: object = {}) => {
  const query = `query ($filter: AuditFilter, $first: Int, $after: String) {
    auditEvents(filter: $filter, first: $first, after: $after) {
      nodes { id at account operation targetIds outcome errorCode requestId before after }
      pageInfo { hasNextPage endCursor } totalCount totalCountIsExact } }`;
  const { body } = await app.graphql(query, { filter, ...page });
  expect(body.errors).toBeUndefined();
  return body.data.auditEvents;
};

type Entry = {
  readonly id: number;
  readonly at: Date;
  readonly account: string;
  readonly operation: string;
  readonly targetIds: readonly string[];
  readonly outcome: string;
  readonly errorCode: string | null;
  readonly requestId: string;
};

describe('auditEvents with filters', () => {
  let entries: readonly Entry[];
  beforeAll(async () => {
    // Times of long transactions are included: up to an hour before those of events with lower ids.
    await app.sql(
      `INSERT INTO audit_events (at, account, credential, address, request_id, operation, target_ids, outcome, error_code)
       SELECT '2026-01-01Z'::timestamptz + n * interval '1 minute' - (n % 7) * (n % 11) * interval '1 minute',
         (ARRAY['a', 'b', 'rare'])[CASE WHEN n % 700 = 0 THEN 3 ELSE 1 + n % 2 END], 'api-key', '127.0.0.1', 'r' || n % 40,
         (ARRAY['deleteGroup', 'deleteGroups', 'createGroup', 'moveSubscribers'])[1 + n % 4],
         CASE n % 5 WHEN 0 THEN '{}' WHEN 1 THEN ARRAY['1', (n % 9)::text] WHEN 2 THEN ARRAY[(n % 9)::text, '1', '2', '3']
           WHEN 3 THEN NULL ELSE ARRAY[(n % 9)::text] END,
         (ARRAY['done', 'done', 'refused', 'dry-run', 'replayed'])[1 + n % 5],
         CASE n % 5 WHEN 2 THEN (ARRAY['NOT_FOUND', 'GROUP_PROTECTED'])[1 + n % 2] WHEN 3 THEN (ARRAY['NOT_FOUND'])[1 + n % 2] END
       FROM generate_series(1, $1) n`,
      [entryCount],
    );
    entries = await app.sql(
      `SELECT id::int, at, account, operation, coalesce(target_ids, '{}') AS "targetIds", outcome, error_code AS "errorCode",
         request_id AS "requestId" FROM audit_events ORDER BY id DESC`,
    );
    expect(entries).toHaveLength(entryCount);
  });

  const matches = (entry: Entry, filter: Record<string, string>) =>
    Object.entries(filter).every(([name, value]) => {
      if (name === 'from') return entry.at >= new Date(value);
      if (name === 'to') return entry.at < new Date(value);
      if (name === 'targetId') return entry.targetIds.includes(value);
      return entry[name as keyof Entry] === value;
    });

  const minute = fc
    .integer({ min: -100, max: entryCount + 100 })
    .map((minutes) => new Date(Date.UTC(2026, 0, 1) + minutes * 60_000).toISOString());
  const fields = {
    from: minute,
    to: minute,
    account: fc.constantFrom('a', 'b', 'rare', 'absent'),
    operation: fc.constantFrom('deleteGroup', 'deleteGroups', 'moveSubscribers', 'absent'),
    targetId: fc.constantFrom('0', '1', '2', '3', '8', 'absent'),
    outcome: fc.constantFrom('done', 'refused', 'dry-run', 'replayed'),
    errorCode: fc.constantFrom('NOT_FOUND', 'GROUP_PROTECTED', 'absent'),
    requestId: fc.constantFrom('r1', 'r33', 'absent'),
  };
  // At most three filters: with more almost nothing matches.
  const filters = fc
    .tuple(fc.record(fields), fc.subarray(Object.keys(fields), { maxLength: 3 }))
    .map(([all, names]) => Object.fromEntries(Object.entries(all).filter(([name]) => names.includes(name))));

  const starts = fc.oneof(fc.constant(0), fc.nat());

  test(`any combination of filters returns exactly the matching events (SEED=${seed})`, async () => {
    await fc.assert(
      fc.asyncProperty(filters, fc.integer({ min: 1, max: 60 }), starts, async (filter, first, place) => {
        const expected = entries.filter((entry) => matches(entry, filter));
        const start = place % (expected.length + 1);
        // The end of the previous page, or a cursor among events that do not match.
        const after = start === 0 ? null : cursorOf(expected[start - 1]!.id);
        const { nodes, pageInfo, totalCount } = await readPage(filter, { first, after });
        expect(nodes).toStrictEqual(expected.slice(start, start + first).map(toNode));
        expect([pageInfo.hasNextPage, totalCount]).toStrictEqual([
          expected.length > start + first,
          expected.length,
        ]);
      }),
      { numRuns: 150, seed },
    );
  });

  test('the filters match at their limits: from is inclusive, to is exclusive', async () => {
    const entry = entries[1234]!;
    const same = entries.filter(({ at }) => at.getTime() === entry.at.getTime()).map(toNode);
    const from = entry.at.toISOString();
    const next = new Date(entry.at.getTime() + 1).toISOString();
    expect((await readPage({ from, to: next })).nodes).toStrictEqual(same);
    expect((await readPage({ from: next, to: next })).nodes).toStrictEqual([]);
    expect((await readPage({ from, to: from })).nodes).toStrictEqual([]);
    expect((await readPage({ from: next, to: from })).nodes).toStrictEqual([]);
  });
});

const toNode = (entry: Entry) => ({
  ...entry,
  id: String(entry.id),
  at: entry.at.toISOString(),
  before: null,
  after: null,
});
const cursorOf = (id: number) => Buffer.from(JSON.stringify([String(id)])).toString('base64url');

describe(`a target with ${crowdedCount} events`, () => {
  beforeAll(async () => {
    await app.sql(
      `INSERT INTO audit_events (account, credential, address, request_id, operation, target_ids, outcome, error_code)
       SELECT 'crowd', 'api-key', '127.0.0.1', 'crowd' || n, CASE WHEN n % 10000 = 1 THEN 'editGroup' ELSE 'deleteGroup' END,
         CASE n % 3 WHEN 0 THEN ARRAY['crowded'] WHEN 1 THEN ARRAY['x', 'crowded'] ELSE ARRAY['x', 'y', 'crowded'] END,
         'refused', 'NOT_FOUND' FROM generate_series(1, $1) n`,
      [crowdedCount],
    );
  });

  test('a target with many events has pages from the first to the last, and a total', async () => {
    const rows = await app.sql<{ id: string }>(
      `SELECT id FROM audit_events WHERE account = 'crowd' ORDER BY id DESC`,
    );
    const ids = rows.map(({ id }) => id);
    for (const start of [0, crowdedCount / 2, crowdedCount - 50]) {
      const after = start === 0 ? null : cursorOf(Number(ids[start - 1]));
      const { nodes, pageInfo, ...total } = await readPage({ targetId: 'crowded' }, { first: 50, after });
      expect(nodes.map(({ id }: Json) => id)).toStrictEqual(ids.slice(start, start + 50));
      expect([pageInfo.hasNextPage, total]).toStrictEqual([
        start + 50 < crowdedCount,
        { totalCount: 10_000, totalCountIsExact: false },
      ]);
    }
  });

  test.each([
    [{ operation: 'editGroup' }, 4],
    [{ outcome: 'refused' }, crowdedCount],
    [{ errorCode: 'NOT_FOUND', account: 'crowd' }, crowdedCount],
    [{ outcome: 'done' }, 0],
    [{ from: '2020-01-01T00:00:00Z', to: '2100-01-01T00:00:00Z' }, crowdedCount],
    [{ to: '2020-01-01T00:00:00Z' }, 0],
    [{ requestId: 'crowd7' }, 1],
  ])('the target filter combines with %j', async (filter, count) => {
    const { nodes, ...total } = await readPage({ targetId: 'crowded', ...filter }, { first: 200 });
    expect([nodes.length, total]).toMatchObject([
      Math.min(count, 200),
      { totalCount: Math.min(count, 10_000), totalCountIsExact: count <= 10_000 },
    ]);
  });

  test('pages work with event ids above Number.MAX_SAFE_INTEGER', async () => {
    await app.sql(
      `INSERT INTO audit_events (id, account, credential, address, request_id, operation, target_ids, outcome)
       OVERRIDING SYSTEM VALUE SELECT 900719925474099200 + n, 'late', 'api-key', '127.0.0.1', 'late', 'editGroup',
         ARRAY['late'], 'done' FROM generate_series(1, 3) n`,
    );
    const { nodes, pageInfo } = await readPage({ targetId: 'late' }, { first: 2 });
    expect(nodes.map(({ id }: Json) => id)).toStrictEqual(['900719925474099203', '900719925474099202']);
    const last = await readPage(
      { account: 'late', from: '2020-01-01T00:00:00Z' },
      { after: pageInfo.endCursor },
    );
    expect(last.nodes.map(({ id }: Json) => id)).toStrictEqual(['900719925474099201']);
  });
});

describe.each(['without', 'with'])('a page of a large audit reads few blocks, %s statistics,', (having) => {
  beforeAll(async () => {
    if (having === 'with') await app.sql('ANALYZE audit_events');
  });

  test.each([
    {},
    { account: 'rare' },
    { account: 'absent' },
    { targetId: 'crowded' },
    { targetId: 'absent' },
    { targetId: 'crowded', operation: 'editGroup' },
    { operation: 'absent' },
    { operation: 'createGroup' },
    { account: 'a', operation: 'createGroup' },
    { outcome: 'replayed' },
    { errorCode: 'absent' },
    { account: 'crowd', outcome: 'done' },
    { requestId: 'absent' },
    { account: 'crowd', from: '2026-01-01T00:00:00Z', to: '2026-01-01T12:00:00Z' },
  ] as Record<string, string>[])('with %j', async (filter) => {
    // The table has 43,000 events; reading each by an index would read as many blocks.
    expect(await countAuditBlocks(app.url, filter)).toBeLessThan(5000);
  });

  test('with a request id and two times, not more than without the request id', async () => {
    const times = { from: '2020-01-01T00:00:00Z', to: '2100-01-01T00:00:00Z' };
    const blocks = await countAuditBlocks(app.url, times);
    expect(await countAuditBlocks(app.url, { requestId: 'absent', ...times })).toBeLessThan(blocks + 20);
  });
});

test('the clean-up summarizes the index of the times, so that a page does not read the later events of the month', async () => {
  const filter = { to: '2026-01-01T12:00:00Z' };
  const [january] = await app.sql<{ partition: string }>(
    `SELECT DISTINCT tableoid::regclass::text AS partition FROM audit_events WHERE at < '2026-01-02Z'`,
  );
  // Autovacuum would summarize the index as well.
  await app.sql(`ALTER TABLE ${january!.partition} SET (autovacuum_enabled = off)`);
  await app.sql(
    `INSERT INTO audit_events (at, account, credential, address, request_id, operation, target_ids, outcome)
     SELECT '2026-01-15Z', 'later', 'api-key', '127.0.0.1', 'later', 'editGroup', ARRAY['later'], 'done'
     FROM generate_series(1, 40000)`,
  );
  await app.sql('ANALYZE audit_events');
  // These events have more than 600 blocks, all but the first and the last range of 128 of which are skipped then.
  const before = await countAuditBlocks(app.url, filter);
  const other = await openTestApp({ DATABASE_URL: app.url }, { ...useTestDatabase(app.url), url: app.url });
  await waitUntil(async () => (await countAuditBlocks(app.url, filter)) < before - 300);
  await other.close();
});
