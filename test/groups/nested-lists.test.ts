import { beforeAll, expect, test } from '@jest/globals';
import { useTestApp, type Json } from '../support/test-app.ts';

// A request may select more rows by id than Prisma or a PostgreSQL statement accepts as a list of values: 32,766.
const pageSize = 200;

const app = useTestApp();
beforeAll(async () => {
  await app.sql(`INSERT INTO service_groups (name) SELECT 'Family ' || n FROM generate_series(1, 10000) n`);
  await app.sql(
    `INSERT INTO groups (name, tag_name, duration, price, service_group_id) SELECT 'g' || n, 't', 1, 1, n FROM generate_series(1, 10000) n`,
  );
  await app.sql(
    `INSERT INTO subscribers (group_id, username) SELECT id, 'u' || lpad(n::text, 3, '0')
     FROM (SELECT id FROM groups ORDER BY id LIMIT $1) AS first, generate_series(1, $1) n`,
    [pageSize],
  );
});

test('searchGroups returns the group of each of 40,000 subscribers on 200 groups', async () => {
  const { body } = await app.graphql(
    '{ searchGroups(first: 200) { nodes { id subscribers(first: 200) { nodes { group { id } } } } } }',
  );
  expect(body.errors).toBeUndefined();
  const { nodes } = body.data.searchGroups;
  expect(nodes).toHaveLength(pageSize);
  for (const { id, subscribers } of nodes) {
    expect(subscribers.nodes).toHaveLength(pageSize);
    expect(new Set(subscribers.nodes.map(({ group }: Json) => group.id))).toStrictEqual(new Set([id]));
  }
});

test('allGroups returns the service group and the subscriber count of each of 10,000 groups', async () => {
  const { body } = await app.graphql('{ allGroups { name subscriberCount serviceGroup { name } } }');
  expect(body.errors).toBeUndefined();
  expect(body.data.allGroups).toStrictEqual(
    Array.from({ length: 10_000 }, (_, index) => ({
      name: `g${index + 1}`,
      subscriberCount: index < pageSize ? pageSize : 0,
      serviceGroup: { name: `Family ${index + 1}` },
    })),
  );
});
