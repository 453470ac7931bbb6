import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createMutationRunner } from '../../src/mutations/mutation-runner.ts';
import { openDatabase } from '../../src/database/database.ts';
import { createDeletedGroupRepository } from '../../src/groups/archive.ts';
import { createLogger } from '../../src/process/logger.ts';
import { openTestApp, plainGroup, useTestApp, type TestApp, type Json } from '../support/test-app.ts';
import { useTestDatabase } from '../support/test-database.ts';

const app = useTestApp();

const auditEvents = async (filter: object, page: object = {}) => {
  const query = `query ($filter: AuditFilter, $first: Int, $after: String) { auditEvents(filter: $filter, first: $first, after: $after) {
    nodes { id at account credential address userAgent requestId operation targetIds outcome errorCode reason before after }
    pageInfo { hasNextPage endCursor } totalCount } }`;
  const { body } = await app.graphql(query, { filter, ...page });
  expect(body.errors).toBeUndefined();
  return body.data.auditEvents;
};

describe('every mutation call has one audit event', () => {
  test("an executed call is recorded with its account and the row before and after, under the API's field names", async () => {
    const id = await app.createGroup();
    const headers = { 'X-Request-Id': 'an-edit', 'User-Agent': 'tests/1' };
    await app.post('/editGroup', { id, group: { price: '12.50', tagName: 'new' } }, headers);
    const { nodes, totalCount } = await auditEvents({ requestId: 'an-edit' });
    expect(totalCount).toBe(1);
    expect(nodes[0]).toMatchObject({
      account: 'admin',
      credential: 'api-key',
      address: '127.0.0.1',
      userAgent: 'tests/1',
      requestId: 'an-edit',
      operation: 'editGroup',
      targetIds: [String(id)],
      outcome: 'done',
      errorCode: null,
      before: { id, price: '9.90', tagName: 'plain', version: 1 },
      after: { id, price: '12.50', tagName: 'new', version: 2 },
    });
  });

  test.each([
    ['deleteGroup', { id: 0 }, 'BAD_USER_INPUT'],
    ['deleteGroup', { id: 2_000_000_000 }, 'NOT_FOUND'],
    ['deleteGroup', { id: 1, reason: 'a\u0000b' }, 'BAD_USER_INPUT'],
    ['deleteGroups', { ids: [2_000_000_000] }, 'NOT_FOUND'],
    ['deleteGroups', { ids: [] }, 'BAD_USER_INPUT'],
    ['restoreGroup', { id: 2_000_000_000 }, 'NOT_FOUND'],
    ['purgeDeletedGroup', { id: 2_000_000_000 }, 'NOT_FOUND'],
    ['createGroup', { group: { ...plainGroup, price: 'x' } }, 'BAD_USER_INPUT'],
    ['editGroup', { id: 2_000_000_000, group: { name: 'x' } }, 'NOT_FOUND'],
    ['subscribe', { username: 'u', groupId: 2_000_000_000 }, 'NOT_FOUND'],
    ['removeUserSubscription', { username: 'nobody' }, 'NOT_FOUND'],
    ['moveSubscribers', { fromGroupId: 2_000_000_000, toGroupId: 1 }, 'NOT_FOUND'],
    ['createServiceGroup', { serviceGroup: {} }, 'BAD_USER_INPUT'],
    ['editServiceGroup', { id: 2_000_000_000, serviceGroup: { name: 'x' } }, 'NOT_FOUND'],
    ['deleteServiceGroup', { id: 2_000_000_000 }, 'NOT_FOUND'],
  ])('a rejected call is recorded: %s %j', async (operation, args, errorCode) => {
    const requestId = `${operation}-${Math.random()}`;
    expect(
      (await app.post(`/${operation}`, args, { 'X-Request-Id': requestId })).status,
    ).toBeGreaterThanOrEqual(400);
    expect((await auditEvents({ requestId })).nodes).toMatchObject([
      { operation, outcome: 'refused', errorCode, before: null, after: null },
    ]);
  });

  test('a query has no audit event', async () => {
    const { totalCount } = await auditEvents({});
    await app.post('/allGroups', {});
    expect((await auditEvents({})).totalCount).toBe(totalCount);
  });
});

test('the filters return the matching events; the pages have every event once, latest first', async () => {
  const id = await app.createGroup();
  await app.post('/deleteGroup', { id, reason: 'why' });
  await app.post('/deleteGroup', { id });
  const outcomes = async (filter: object) =>
    (await auditEvents(filter)).nodes.map(({ outcome }: Json) => outcome);
  expect(await outcomes({ targetId: String(id) })).toStrictEqual(['refused', 'done', 'done']);
  expect(await outcomes({ targetId: String(id), operation: 'deleteGroup' })).toStrictEqual([
    'refused',
    'done',
  ]);
  expect(await outcomes({ targetId: String(id), outcome: 'refused' })).toStrictEqual(['refused']);
  expect(await outcomes({ targetId: String(id), errorCode: 'NOT_FOUND' })).toStrictEqual(['refused']);
  expect(await outcomes({ account: 'nobody' })).toStrictEqual([]);
  expect(await outcomes({ from: '2100-01-01T00:00:00Z' })).toStrictEqual([]);
  expect(await outcomes({ to: '2000-01-01T00:00:00Z' })).toStrictEqual([]);

  const seen: bigint[] = [];
  for (let after: string | null = null; ;) {
    const { nodes, pageInfo } = await auditEvents({}, { first: 7, after });
    seen.push(...nodes.map((node: Json) => BigInt(node.id)));
    if (!pageInfo.hasNextPage) break;
    after = pageInfo.endCursor;
  }
  const rows = await app.sql<{ id: string }>('SELECT id FROM audit_events ORDER BY id DESC');
  expect(seen).toStrictEqual(rows.map((row) => BigInt(row.id)));
  const wrong = await app.post('/auditEvents', { filter: { outcome: 'x' } });
  expect(wrong.body.errors[0].extensions).toStrictEqual({
    code: 'BAD_USER_INPUT',
    argument: 'filter.outcome',
  });
  expect((await app.post('/auditEvents', { after: 'x' })).body.errors[0].extensions.argument).toBe('after');
});

test.each([
  'UPDATE audit_events SET outcome = $$done$$',
  'DELETE FROM audit_events',
  'TRUNCATE audit_events',
])("%s on audit_events is rejected, even for the table's owner", async (sql) => {
  await expect(app.sql(sql)).rejects.toThrow('audit_events is append-only');
});

describe('a role with the grants of docs/operations.md', () => {
  const role = `group_api_test_role_${Math.random().toString(36).slice(2, 8)}`;
  let limited: TestApp;
  beforeAll(async () => {
    const document = readFileSync(new URL('../../docs/operations.md', import.meta.url), 'utf8');
    const [, sql] = /```sql\n([^]*?)```/.exec(document)!;
    await app.sql(sql!.replaceAll('group_api', role).replace('…', 'test'));
    const url = new URL(app.url);
    if (url.searchParams.has('user')) url.searchParams.set('user', role);
    else url.username = role;
    url.password = 'test';
    limited = await openTestApp({ DATABASE_URL: url.href }, { ...useTestDatabase(url.href), url: url.href });
  });
  afterAll(async () => {
    await limited.close();
    await app.sql(`DROP OWNED BY ${role}`);
    await app.sql(`DROP ROLE ${role}`);
  });

  test('the documented grants are sufficient for the server', async () => {
    const [id, target] = [await limited.createGroup(), await limited.createGroup()];
    await limited.post('/subscribe', { username: 'a', groupId: id });
    expect((await limited.post('/deleteGroup', { id, moveSubscribersTo: target })).status).toBe(200);
    expect((await limited.post('/restoreGroup', { id })).status).toBe(200);
    expect((await limited.post('/deleteGroup', { id }, { 'Idempotency-Key': 'k' })).status).toBe(200);
    expect((await limited.post('/purgeDeletedGroup', { id })).status).toBe(200);
    expect((await limited.post('/auditEvents', { first: 1 })).status).toBe(200);
  });

  test.each([
    'UPDATE audit_events SET outcome = $$done$$',
    'DELETE FROM audit_events',
    'DROP TABLE audit_events',
    'ALTER TABLE audit_events DISABLE TRIGGER ALL',
  ])('the documented role may not %s', async (sql) => {
    await expect(limited.sql(sql)).rejects.toThrow(/permission denied|must be owner/);
  });
});

describe('the purge', () => {
  const deleteGroups = async (count: number) => {
    const ids: number[] = [];
    for (let i = 0; i < count; i++) {
      const id = await app.createGroup();
      await app.post('/deleteGroup', { id });
      ids.push(id);
    }
    return ids;
  };

  test('the purge removes expired groups once among several servers, with an audit event each, and nothing else', async () => {
    const [kept, ...due] = await deleteGroups(6);
    await app.sql(`UPDATE deleted_groups SET purge_at = now() - interval '1 s' WHERE id = ANY ($1)`, [due]);
    const log = await createLogger('silent', false);
    const database = await openDatabase({ url: app.url, dataDir: '', poolSize: 4 }, log);
    const archive = createDeletedGroupRepository(database.prisma, createMutationRunner(database.prisma, log));

    const counts = await Promise.all(
      Array.from({ length: 4 }, () => archive.purgeExpired({ account: 'group-api', requestId: 'purge' })),
    );
    await database.close();

    expect(counts.reduce((a, b) => a + b)).toBe(5);
    expect(
      await app.sql('SELECT id FROM deleted_groups WHERE id = ANY ($1)', [[kept, ...due]]),
    ).toStrictEqual([{ id: kept }]);
    const { nodes } = await auditEvents({ requestId: 'purge' });
    expect(
      nodes.map(({ targetIds }: Json) => Number(targetIds[0])).toSorted((a: number, b: number) => a - b),
    ).toStrictEqual(due);
  });

  test('a running server purges at its start and every minute; expired idempotency keys are removed too', async () => {
    const [id] = await deleteGroups(1);
    await app.post('/createGroup', { group: plainGroup }, { 'Idempotency-Key': 'old' });
    await app.sql(`UPDATE deleted_groups SET purge_at = now() WHERE id = $1`, [id]);
    await app.sql(`UPDATE idempotency_keys SET created_at = now() - interval '25 hours'`);
    const other = await openTestApp({ DATABASE_URL: app.url }, useTestDatabase(app.url));
    await other.close();
    expect(await app.sql('SELECT FROM deleted_groups WHERE id = $1', [id])).toHaveLength(0);
    expect(await app.sql('SELECT FROM idempotency_keys')).toHaveLength(0);
  });
});

test('with a retention of 0 a delete stores no archive row, but its audit event', async () => {
  const other = await openTestApp(
    { DATABASE_URL: app.url, DELETED_GROUP_RETENTION_DAYS: 0 },
    useTestDatabase(app.url),
  );
  const id = await other.createGroup();
  expect((await other.post('/deleteGroup', { id })).status).toBe(200);
  expect((await other.post('/restoreGroup', { id })).status).toBe(404);
  await other.close();
  expect((await auditEvents({ targetId: String(id), operation: 'deleteGroup' })).nodes).toMatchObject([
    { outcome: 'done', before: { id } },
  ]);
});
