import { afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { writeGroupPageStatement } from '../../src/groups/group-search-statements.ts';
import { parseGroupSearch } from '../../src/groups/group-search.ts';
import { createCommandLine } from '../support/command-line.ts';
import { openSecondConnection, type SecondConnection } from '../support/second-connection.ts';
import { useTestApp, type Json } from '../support/test-app.ts';
import { waitUntil } from '../support/wait-until.ts';

const app = useTestApp();
const { run } = createCommandLine(() => app);
const groupCount = 20_000;
beforeAll(async () => {
  await app.sql(
    `INSERT INTO groups (name, tag_name, description, duration, price, hidden)
     SELECT 'Plan ' || n, 'tag-' || n % 200, 'for group ' || n / 2, n % 400, n % 1000, n % 200 = 0
     FROM generate_series(1, $1::int) n`,
    [groupCount],
  );
  await app.sql('VACUUM ANALYZE groups');
});

const search = async (filter: object) => {
  const { body } = await app.graphql(
    `query ($filter: GroupFilter) { searchGroups(filter: $filter, first: 1) { totalCount totalCountIsExact nodes { name } } }`,
    { filter },
  );
  return body;
};

describe('totals', () => {
  test.each([
    [{}, 10_000, false],
    [{ maxPrice: '500' }, 10_000, false],
    [{ maxPrice: '499' }, 10_000, true],
    [{ tagName: 'tag-7' }, 100, true],
    [{ minPrice: '5', maxPrice: '4' }, 0, true],
    [{ minDuration: 5, maxDuration: 4 }, 0, true],
  ])('of groups with %j totalCount is %d, and totalCountIsExact is %s', async (filter, total, isExact) => {
    const { data } = await search(filter);
    expect(data.searchGroups).toMatchObject({ totalCount: total, totalCountIsExact: isExact });
  });

  test('totalCountIsExact can be selected without totalCount', async () => {
    const { body } = await app.graphql('{ searchGroups { totalCountIsExact } }');
    expect(body).toStrictEqual({ data: { searchGroups: { totalCountIsExact: false } } });
  });

  test('of deleted groups totalCount ends at 10,000, and totalCountIsExact is false', async () => {
    await app.sql(
      `INSERT INTO deleted_groups (id, group_row, deleted_at, deleted_by, purge_at)
       SELECT id, group_row(groups), now(), 'admin', now() + interval '1 day' FROM groups LIMIT 10001`,
    );
    const { body } = await app.graphql('{ deletedGroups { totalCount totalCountIsExact } }');
    await app.sql('DELETE FROM deleted_groups');
    expect(body.data.deletedGroups).toStrictEqual({ totalCount: 10_000, totalCountIsExact: false });
  });

  test('of subscribers totalCount is the exact number', async () => {
    await app.sql(
      `INSERT INTO subscribers (username, group_id, starts_at) SELECT 'user-' || n, 1, now() FROM generate_series(1, 10001) n`,
    );
    const { body } = await app.graphql(
      '{ group(id: 1) { subscriberCount subscribers { totalCount totalCountIsExact } } }',
    );
    await app.sql('DELETE FROM subscribers');
    expect(body.data.group).toStrictEqual({
      subscriberCount: 10_001,
      subscribers: { totalCount: 10_001, totalCountIsExact: true },
    });
  });

  test('groups list --count prints that there are more than 10,000 groups, and fewer exactly', async () => {
    expect((await run('groups', 'list', '--count')).stdout).toContain('\n\nOn all pages: more than 10000\n');
    expect((await run('groups', 'list', '--count', '--tag-name', 'tag-7')).stdout).toContain(
      '\n\nOn all pages: 100',
    );
    const { stdout } = await run('groups', 'list', '--count', '--first', '1', '--json');
    expect(JSON.parse(stdout)).toMatchObject({ totalCount: 10_000, totalCountIsExact: false });
  });
});

describe('plans', () => {
  const filters = [
    {},
    { text: 'group 77' },
    { text: 'absent' },
    { tagName: 'tag-7' },
    { tagName: 'absent' },
    { hidden: true },
    { hidden: false },
    { minPrice: '990' },
    { maxPrice: '10' },
    { minDuration: 390 },
    { maxDuration: 10 },
    { serviceGroupId: 1 },
    { text: 'group 77', hidden: false },
    { tagName: 'tag-7', hidden: true },
    { tagName: 'tag-7', minPrice: '990' },
    { minPrice: '990', maxDuration: 10 },
    { hidden: false, serviceGroupId: 1 },
  ];
  test.each(filters)('a page of groups with %j is read from an index, in each order', async (filter) => {
    const tables: string[] = [];
    for (const field of ['ID', 'NAME', 'PRICE', 'DURATION', 'CREATED_AT'] as const) {
      for (const direction of ['ASC', 'DESC'] as const) {
        const { text, values } = writeGroupPageStatement(
          parseGroupSearch({ filter, orderBy: { field, direction } }),
        );
        const plan = await app.sql<{ 'QUERY PLAN': string }>(`EXPLAIN ${text}`, values);
        const lines = plan.map((row) => row['QUERY PLAN']);
        tables.push(...lines.filter((line) => line.includes('Seq Scan')));
      }
    }
    expect(tables).toStrictEqual([]);
  });

  test.each(['ASC', 'DESC'] as const)(
    'a page after a cursor starts there in the index, %s',
    async (direction) => {
      const { body } = await app.graphql(
        `{ searchGroups(orderBy: { field: DURATION, direction: ${direction} }, first: 30) { pageInfo { endCursor } } }`,
      );
      const { text, values } = writeGroupPageStatement(
        parseGroupSearch({
          orderBy: { field: 'DURATION', direction },
          after: body.data.searchGroups.pageInfo.endCursor,
        }),
      );
      const plan = await app.sql<{ 'QUERY PLAN': string }>(`EXPLAIN ${text}`, values);
      expect(plan.map((row) => row['QUERY PLAN'].trim())).toContainEqual(
        expect.stringMatching(/^Index Cond: \(ROW\(duration, id\) [<>] ROW\(/),
      );
    },
  );
});

describe('the time limit', () => {
  let other: SecondConnection;
  afterEach(() => other.close());
  const lockGroups = async () => {
    other = await openSecondConnection(app);
    await other.query('BEGIN');
    await other.query('LOCK TABLE groups IN ACCESS EXCLUSIVE MODE');
  };

  test('a search of groups that the database cannot complete is rejected with QUERY_TOO_COMPLEX', async () => {
    await lockGroups();
    const { errors, data } = await search({ text: 'absent' });
    expect([errors, data]).toStrictEqual([
      [
        expect.objectContaining({
          message:
            'The search reached its time limit of 2000 ms, or a lower one of the database. Search for a text with three consecutive letters or digits, or add a filter',
          extensions: { code: 'QUERY_TOO_COMPLEX', limit: 'search time', maximum: 2000 },
        }),
      ],
      null,
    ]);
    await other.query('ROLLBACK');
    expect((await search({ text: 'absent' })).data.searchGroups.totalCount).toBe(0);
  });

  test('searches for texts without three letters in a row run one at a time; others run meanwhile', async () => {
    await lockGroups();
    const short = ['qx', 'q!x', '%'].map((text) => search({ text }));
    await other.waitForBlocked(1);
    const long = [search({ text: 'absent' }), search({ tagName: 'absent' })];
    await other.waitForBlocked(3);
    const blocked = await app.sql(
      `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
    );
    expect(blocked).toHaveLength(3);
    await other.query('ROLLBACK');
    const bodies = await Promise.all([...short, ...long]);
    expect(bodies.map(({ data }) => data.searchGroups.totalCount)).toStrictEqual([0, 0, 0, 0, 0]);
  });

  test('of twelve searches for such texts one runs, eight wait and three are rejected with 503', async () => {
    await lockGroups();
    const rejected: Json[] = [];
    const searches = Array.from({ length: 12 }, async () => {
      const answer = await app.graphql('{ searchGroups(filter: { text: "qx" }) { nodes { id } } }');
      if (answer.status !== 200) rejected.push(answer);
      return answer;
    });
    await waitUntil(() => rejected.length === 3);
    for (const { status, headers, body } of rejected)
      expect([status, headers.get('retry-after'), body.errors]).toMatchObject([
        503,
        '1',
        [
          {
            message: expect.stringMatching(/^Too many searches/),
            extensions: { code: 'SERVICE_UNAVAILABLE' },
          },
        ],
      ]);
    await other.query('ROLLBACK');
    const answers = await Promise.all(searches);
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(9);
    expect((await search({ text: 'qx' })).data.searchGroups.totalCount).toBe(0);
  });
});
