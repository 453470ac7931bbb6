import { describe, expect, test } from '@jest/globals';
import { createProbes } from '../support/probes.ts';
import { openSecondConnection } from '../support/second-connection.ts';
import { useTestApp, type ApiResponse } from '../support/test-app.ts';

// The status of a response whose root field has a result, but not each field below it.
const app = useTestApp();
const { groupRow, codeOf } = createProbes(() => app);

const accepts = ['application/json', 'application/graphql-response+json'];
const endpoints = (field: string) =>
  ['/graphql', `/${field}`].flatMap((path) => accepts.map((accept) => [path, accept] as const));

type LateAnswers = Record<string, { id: number; answer: ApiResponse }>;
let late: Promise<LateAnswers> | undefined;
/** The responses to deletes at all endpoints, sent concurrently, while a lock keeps the service group from being read. */
const lateAnswers = () => (late ??= sendLate());
async function sendLate(): Promise<LateAnswers> {
  const { body: created } = await app.post('/createServiceGroup', { serviceGroup: { name: 'family' } });
  const serviceGroupId = created.data.createServiceGroup.id;
  const prepared = [];
  for (const [path, accept] of endpoints('deleteGroup'))
    prepared.push({ path, accept, id: await app.createGroup({ serviceGroupId }) });
  const locker = await openSecondConnection(app);
  await locker.query('BEGIN');
  await locker.query('LOCK TABLE service_groups');
  const sent = prepared.map(async ({ path, accept, id }) => {
    const query = `mutation { deleteGroup(id: ${id}) { id serviceGroup { name } } }`;
    return [`${path} ${accept}`, { id, answer: await app.post(path, { query }, { Accept: accept }) }];
  });
  const answers = await Promise.all(sent);
  await locker.close();
  return Object.fromEntries(answers) as LateAnswers;
}

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
    const { id, answer } = (await lateAnswers())[`${path} ${accept}`]!;
    const { status, body } = answer;
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
