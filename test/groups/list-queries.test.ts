import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { openCountingProxy, type CountingProxy } from '../support/counting-proxy.ts';
import { openTestApp, type TestApp } from '../support/test-app.ts';
import { createTestDatabase, type TestDatabase } from '../support/test-database.ts';

let database: TestDatabase;
let proxy: CountingProxy;
let app: TestApp;
beforeAll(async () => {
  database = await createTestDatabase();
  proxy = await openCountingProxy(database.url);
  app = await openTestApp({ DATABASE_URL: proxy.url }, database);
  await database.sql(`INSERT INTO service_groups (name) VALUES ('a'), ('b'), ('c')`);
  await database.sql(`INSERT INTO groups (name, tag_name, duration, price, service_group_id)
    SELECT 'g' || n, 't', 1, 1, 1 + n % 3 FROM generate_series(1, 150) n`);
  await database.sql(
    `INSERT INTO subscribers (group_id, username) SELECT id, 'u' || n FROM groups, generate_series(1, 3) n`,
  );
});
afterAll(async () => {
  await app.close();
  await proxy.close();
});

test('a list of 150 groups executes as many statements as a list of one', async () => {
  const query = `query ($first: Int) { searchGroups(first: $first) { totalCount nodes {
    subscriberCount serviceGroup { name } subscribers(first: 2) { totalCount nodes { username group { name } } } } } }`;
  const countStatements = async (first: number) => {
    const before = proxy.count();
    const { data } = (await app.graphql(query, { first })).body;
    expect(data.searchGroups.nodes).toHaveLength(first);
    expect(data.searchGroups.nodes[0].subscribers.nodes).toMatchObject([
      { username: 'u1' },
      { username: 'u2' },
    ]);
    return proxy.count() - before;
  };

  await countStatements(1);
  const once = await countStatements(1);
  // The page and its total, each with BEGIN, settings and COMMIT; the service groups, the counts, the subscribers and
  // their groups; and the watchdog's query.
  expect(once).toBeGreaterThanOrEqual(12);
  expect(once).toBeLessThanOrEqual(14);
  expect(await countStatements(150)).toBeLessThanOrEqual(once + 2);
});
