import { beforeAll, describe, expect, test } from '@jest/globals';
import { useTestApp, type Json } from '../support/test-app.ts';

const app = useTestApp();
beforeAll(async () => {
  // 60 groups that share prices, durations and names, so that ties have to be broken.
  await app.sql(`INSERT INTO groups (name, description, tag_name, duration, price, hidden, created_at)
    SELECT 'Plan ' || chr(65 + n % 7), CASE WHEN n % 10 = 0 THEN 'Half 50%_off' ELSE 'Full' END,
      'tag' || n % 3, n % 5, (n % 4) * 2.5, n % 2 = 0,
      now() - (n % 6) * interval '1.234 s' FROM generate_series(1, 60) n`);
});

const page = `query ($filter: GroupFilter, $orderBy: GroupOrder, $first: Int, $after: String) {
  searchGroups(filter: $filter, orderBy: $orderBy, first: $first, after: $after) {
    edges { cursor node { id } } nodes { id name price duration hidden tagName description }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor } totalCount } }`;

const search = async (variables: object) => (await app.graphql(page, variables)).body.data.searchGroups;

describe.each(['ID', 'NAME', 'PRICE', 'DURATION', 'CREATED_AT'])('searchGroups by %s', (field) => {
  test.each(['ASC', 'DESC'])(
    "%s: the pages have every group once, in the database's order",
    async (direction) => {
      const seen: number[] = [];
      let after: string | null = null;
      for (let pages = 0; ; pages++) {
        const { nodes, edges, pageInfo, totalCount } = await search({
          orderBy: { field, direction },
          first: 7,
          after,
        });
        expect(totalCount).toBe(60);
        expect(edges.map((edge: Json) => edge.node.id)).toStrictEqual(nodes.map((node: Json) => node.id));
        expect(pageInfo).toMatchObject({
          hasPreviousPage: pages > 0,
          startCursor: edges.at(0).cursor,
          endCursor: edges.at(-1).cursor,
        });
        seen.push(...nodes.map((node: Json) => node.id));
        if (!pageInfo.hasNextPage) break;
        after = pageInfo.endCursor;
      }
      const column = field.toLowerCase();
      const expected = await app.sql<{ id: number }>(
        `SELECT id FROM groups ORDER BY ${column} ${direction}, id ${direction}`,
      );
      expect(seen).toStrictEqual(expected.map(({ id }) => id));
    },
  );
});

test.each([
  [{}, 'true'],
  [{ text: 'plan a' }, `name = 'Plan A'`],
  [{ text: 'PLAN' }, 'true'],
  [{ text: 'tag1' }, `tag_name = 'tag1'`],
  [{ text: '50%_OFF' }, `description = 'Half 50%_off'`],
  [{ text: '%' }, `description = 'Half 50%_off'`],
  [{ text: '\\' }, 'false'],
  [{ tagName: 'tag2' }, `tag_name = 'tag2'`],
  [{ tagName: 'tag' }, 'false'],
  [{ hidden: true }, 'hidden'],
  [{ hidden: false }, 'NOT hidden'],
  [{ minPrice: '2.50' }, 'price >= 2.5'],
  [{ minPrice: '2.5001' }, 'price > 2.5'],
  [{ maxPrice: '2.5' }, 'price <= 2.5'],
  [{ minPrice: '2.5', maxPrice: '5' }, 'price BETWEEN 2.5 AND 5'],
  [{ minDuration: 2 }, 'duration >= 2'],
  [{ maxDuration: 2 }, 'duration <= 2'],
  [{ serviceGroupId: 5 }, 'false'],
  [
    { text: 'plan', hidden: true, maxDuration: 3, tagName: 'tag0' },
    `hidden AND duration <= 3 AND tag_name = 'tag0'`,
  ],
  [{ text: null, hidden: null }, 'true'],
])('searchGroups filters by %j', async (filter, condition) => {
  const { nodes, totalCount } = await search({ filter, first: 200 });
  const expected = await app.sql<{ id: number }>(`SELECT id FROM groups WHERE ${condition} ORDER BY id`);
  expect(nodes.map((node: Json) => node.id)).toStrictEqual(expected.map(({ id }) => id));
  expect(totalCount).toBe(expected.length);
});

test('searchGroups has 50 groups per page by default, and reports whether there are more', async () => {
  const { nodes, pageInfo } = await search({});
  expect(nodes).toHaveLength(50);
  expect(pageInfo.hasNextPage).toBe(true);
});

test('an empty page of searchGroups has no cursors', async () => {
  const { edges, pageInfo } = await search({ filter: { tagName: 'none' } });
  expect(edges).toStrictEqual([]);
  expect(pageInfo).toStrictEqual({
    hasNextPage: false,
    hasPreviousPage: false,
    startCursor: null,
    endCursor: null,
  });
});

test('a page of searchGroups is not shifted by a delete before it', async () => {
  const first = await search({ first: 5, orderBy: { field: 'ID' } });
  const second = await search({ first: 5, orderBy: { field: 'ID' }, after: first.pageInfo.endCursor });
  await app.post('/deleteGroup', { id: first.nodes[2].id });
  expect(await search({ first: 5, orderBy: { field: 'ID' }, after: first.pageInfo.endCursor })).toMatchObject(
    {
      nodes: second.nodes,
    },
  );
});

const cursorOfOtherOrder = Buffer.from('["NAME","Plan A",1]').toString('base64url');
const forged = (field: string, json: string): [object, string] => [
  { orderBy: { field }, after: Buffer.from(json).toString('base64url') },
  'after',
];
test.each<[object, string]>([
  [{ first: 0 }, 'first'],
  [{ first: -1 }, 'first'],
  [{ first: 201 }, 'first'],
  [{ after: 'nonsense' }, 'after'],
  [{ after: '' }, 'after'],
  [{ after: cursorOfOtherOrder }, 'after'],
  ...[
    '["ID",1,1e30]',
    '["ID",1,99999999999]',
    '["ID",1,-5]',
    '["ID",1.5,1]',
    '{"length":3}',
    '[]',
    'null',
  ].map((json) => forged('ID', json)),
  ...['["NAME","a",99999999999]', '["NAME","a\\u0000b",1]', '["NAME",1,1]'].map((json) =>
    forged('NAME', json),
  ),
  ...['["PRICE",["12.34"],1]', '["PRICE",12.34,1]', '["PRICE","1e3",1]'].map((json) => forged('PRICE', json)),
  ...['["DURATION",1e20,1]', '["DURATION","1",1]'].map((json) => forged('DURATION', json)),
  ...['"1"', '"Jan 1 2020"', '"+275760-09-13T00:00:00.000Z"', '1'].map((key) =>
    forged('CREATED_AT', `["CREATED_AT",${key},1]`),
  ),
  [{ after: Buffer.from('["ID","1;DROP",1]').toString('base64url') }, 'after'],
  [{ after: Buffer.from('["ID",1,null]').toString('base64url') }, 'after'],
  [{ orderBy: { field: 'PRICE' }, after: Buffer.from('["PRICE","x",1]').toString('base64url') }, 'after'],
  [
    { orderBy: { field: 'CREATED_AT' }, after: Buffer.from('["CREATED_AT","x",1]').toString('base64url') },
    'after',
  ],
  [{ filter: { text: '' } }, 'filter.text'],
  [{ filter: { minPrice: '-1' } }, 'filter.minPrice'],
  [{ filter: { maxPrice: 'x' } }, 'filter.maxPrice'],
  [{ filter: { minDuration: -1 } }, 'filter.minDuration'],
  [{ filter: { serviceGroupId: 0 } }, 'filter.serviceGroupId'],
  [{ orderBy: { field: 'SIZE' } }, 'orderBy.field'],
])('searchGroups rejects the variables %j', async (variables, argument) => {
  const answer = await app.graphql(page, variables);
  expect(answer.body.errors[0].extensions).toStrictEqual({ code: 'BAD_USER_INPUT', argument });
});
