import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createProbes } from './support/probes.ts';
import { openTestApp, type TestApp } from './support/test-app.ts';

// The status of a response whose root field has a result, but not each field below it.
let app: TestApp;
const { groupRow, codeOf } = createProbes(() => app);
beforeAll(async () => {
  app = await openTestApp();
});
afterAll(() => app.close());

const accepts = ['application/json', 'application/graphql-response+json'];
const endpoints = (field: string) =>
  ['/graphql', `/${field}`].flatMap((path) => accepts.map((accept) => [path, accept] as const));

describe.each(endpoints('deleteGroup'))('a mutation at %s, %s', (path, accept) => {
  test('a mutation with an invalid argument in its selection is rejected before it is executed', async () => {
    const id = await app.createGroup();
    const query = `mutation { deleteGroup(id: ${id}) { id subscribers(first: 0) { totalCount } } }`;
    const { status, body } = await app.post(path, { query }, { Accept: accept });
    expect(body.errors[0].extensions).toStrictEqual({ code: 'BAD_USER_INPUT', argument: 'first' });
    expect(body.data).toStrictEqual({ deleteGroup: null });
    expect(path === '/graphql' || status === 400).toBe(true);
    expect(await groupRow(id)).toHaveLength(1);
  });

  test('a mutation whose result cannot be read in time gets 503 if nothing was changed, otherwise 200 with the result', async () => {
    const { body: created } = await app.post('/createServiceGroup', { serviceGroup: { name: 'family' } });
    const id = await app.createGroup({ serviceGroupId: created.data.createServiceGroup.id });
    const query = `mutation { deleteGroup(id: ${id}) { id serviceGroup { name } } }`;
    const lock = app.sql(`DO $$ BEGIN LOCK TABLE service_groups; PERFORM pg_sleep(4); END $$`);
    for (;;) {
      const locks =
        await app.sql(`SELECT FROM pg_locks WHERE relation = 'service_groups'::regclass AND granted
        AND mode = 'AccessExclusiveLock'`);
      if (locks.length > 0) break;
    }
    const { status, body } = await app.post(path, { query }, { Accept: accept });
    await lock;
    const isDone = (await groupRow(id)).length === 0;
    expect([status, isDone]).toStrictEqual(isDone ? [200, true] : [503, false]);
    if (isDone) expect(body.data).toStrictEqual({ deleteGroup: { id, serviceGroup: { name: 'family' } } });
  });

  test('a rejected mutation has no data, and at its path the status of its error', async () => {
    const query = 'mutation { deleteGroup(id: 2000000000) { id } }';
    const { status, body } = await app.post(path, { query }, { Accept: accept });
    expect([status, body.data, body.errors[0].extensions.code]).toStrictEqual([
      path === '/graphql' ? 200 : 404,
      { deleteGroup: null },
      'NOT_FOUND',
    ]);
  });
});

test('of two mutations the executed one has data, and the rejected one an error', async () => {
  const id = await app.createGroup();
  const query = `mutation { one: deleteGroup(id: ${id}) { id } two: deleteGroup(id: ${id}) { id } }`;
  const { status, body } = await app.graphql(query);
  expect([status, body.data, codeOf({ status, body } as never)]).toStrictEqual([
    200,
    { one: { id }, two: null },
    'NOT_FOUND',
  ]);
});

test.each(endpoints('allGroups'))(
  'a query at %s, %s that fails completely has an error status',
  async (path, accept) => {
    await app.createGroup();
    const query = '{ allGroups { id subscribers(first: 0) { totalCount } } }';
    const { status, body } = await app.post(path, { query }, { Accept: accept });
    expect(body.data).toStrictEqual({ allGroups: null });
    expect([status, body.errors[0].extensions.code]).toStrictEqual([
      path === '/graphql' ? 200 : 400,
      'BAD_USER_INPUT',
    ]);
  },
);
