import { beforeAll, describe, expect, test } from '@jest/globals';
import { testKey, useTestApp } from '../support/test-app.ts';

// Lists that the server reads, resolves and writes over several turns of its event loop.
const app = useTestApp();
const groupCount = 1203;

beforeAll(async () => {
  await app.sql(
    `INSERT INTO groups (name, description, tag_name, duration, price, hidden)
     SELECT 'Group ' || n, E'"\\u2028é' || n, 'tag', n, n, n % 3 = 0 FROM generate_series(1, $1::int) n`,
    [groupCount],
  );
  await app.sql(
    `INSERT INTO subscribers (username, group_id, starts_at)
     SELECT 'user-' || n, id, now() FROM generate_series(1, 7) n CROSS JOIN (SELECT id FROM groups ORDER BY id LIMIT 150) g`,
  );
});

/** Sends a query, and returns the text of its response. */
async function textOf(query: string): Promise<string> {
  const response = await fetch(`${app.httpUrl}/graphql`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', 'X-APIKEY': testKey },
    body: JSON.stringify({ query }),
  });
  return response.text();
}

describe('a list of more than a thousand groups', () => {
  test('is complete, in the order of the ids, and JSON as any other', async () => {
    const text = await textOf('{ allGroups { id name description price serviceGroup { id } createdAt } }');
    const body = JSON.parse(text);
    expect(body.errors).toBeUndefined();
    const ids = body.data.allGroups.map(({ id }: { id: number }) => id);
    const rows = await app.sql('SELECT id FROM groups ORDER BY id');
    expect(ids).toStrictEqual(rows.map(({ id }) => id));
    expect(body.data.allGroups.at(-1)).toMatchObject({
      name: `Group ${groupCount}`,
      price: `${groupCount}.00`,
    });
    expect(text).toBe(`${JSON.stringify(body)}\n`);
  });

  test('is filtered on all its pages', async () => {
    const { body } = await app.graphql('{ registrationGroups { id hidden } }');
    const rows = await app.sql('SELECT id FROM groups WHERE NOT hidden ORDER BY id');
    expect(body.data.registrationGroups).toStrictEqual(rows.map(({ id }) => ({ id, hidden: false })));
  });

  test('is returned several times next to other fields, and after the errors of others', async () => {
    const text = await textOf(
      '{ a: allGroups { id } none: group(id: 2000000000) { id } b: allGroups { id } __typename }',
    );
    const { errors, data } = JSON.parse(text);
    expect(errors).toMatchObject([{ path: ['none'], extensions: { code: 'NOT_FOUND' } }]);
    expect(Object.keys(data)).toStrictEqual(['a', 'none', 'b', '__typename']);
    expect(data.a).toHaveLength(groupCount);
    expect(data.b).toStrictEqual(data.a);
    expect(data.none).toBeNull();
    expect(text).toBe(`${JSON.stringify({ errors, data })}\n`);
  });
});

test('a page under aliases is complete, and JSON as any other', async () => {
  const text = await textOf(
    '{ page: searchGroups(first: 150) { list: nodes { number: id } total: totalCount } }',
  );
  const body = JSON.parse(text);
  const rows = await app.sql('SELECT id AS number FROM groups ORDER BY id LIMIT 150');
  expect(body).toStrictEqual({ data: { page: { list: rows, total: groupCount } } });
  expect(text).toBe(`${JSON.stringify(body)}\n`);
});

test('a page of groups has the subscribers of each of them, read by several queries', async () => {
  const text = await textOf(
    '{ searchGroups(first: 150) { nodes { id subscribers(first: 5) { totalCount nodes { username } } } } }',
  );
  const body = JSON.parse(text);
  expect(body.errors).toBeUndefined();
  const expected = {
    totalCount: 7,
    nodes: [1, 2, 3, 4, 5].map((n) => ({ username: `user-${n}` })),
  };
  const { nodes } = body.data.searchGroups;
  expect(nodes).toHaveLength(150);
  for (const { subscribers } of nodes) expect(subscribers).toStrictEqual(expected);
  expect(text).toBe(`${JSON.stringify(body)}\n`);
});
