import { expect, test } from '@jest/globals';
import { writeDeletionStatement } from '../../src/group-deletion/delete-statement.ts';
import { useTestApp } from '../support/test-app.ts';

const app = useTestApp();

test('100 deletes of a group with many subscribers do not delay another delete', async () => {
  const [crowded, other] = [await app.createGroup(), await app.createGroup()];
  await app.sql(
    `INSERT INTO subscribers (group_id, username) SELECT $1, 'u' || n FROM generate_series(1, 100000) n`,
    [crowded],
  );
  const refused = Array.from({ length: 100 }, () => app.post('/deleteGroup', { id: crowded }));
  expect((await app.post('/deleteGroup', { id: other })).status).toBe(200);
  for (const { body } of await Promise.all(refused))
    expect(body.errors[0].extensions.subscriberCount).toBe(100_000);
});

test('the delete statement uses indexes only on large tables', async () => {
  await app.sql(
    `INSERT INTO groups (name, tag_name, duration, price) SELECT 'g', 't', 1, 1 FROM generate_series(1, 100000)`,
  );
  await app.sql(`INSERT INTO subscribers (group_id, username, expires_at)
    SELECT (SELECT max(id) FROM groups) - n % 20000, 'v' || n, now() + interval '1 day' FROM generate_series(1, 50000) n`);
  await app.sql(
    `INSERT INTO idempotency_keys SELECT 'a', 'o', 'k' || n, 'f', '{}' FROM generate_series(1, 100000) n`,
  );
  await app.sql('ANALYZE groups, subscribers, idempotency_keys');
  const { text, values } = writeDeletionStatement([], 30);
  const plan = JSON.stringify(await app.sql(`EXPLAIN (FORMAT JSON) ${text}`, values));
  expect(plan).toContain('Index');
  expect(plan).not.toContain('Seq Scan');
});
