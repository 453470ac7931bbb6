import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { getIntrospectionQuery } from 'graphql';
import { openTestApp, plainGroup, twelveFields, type Answer, type TestApp } from './support/test-app.ts';

let app: TestApp;
let busy: number;
beforeAll(async () => {
  app = await openTestApp();
  busy = await app.createGroup({ name: 'Busy', price: '0.1250', ip: '2001:db8::1' });
  await app.post('/subscribe', { username: 'ann', groupId: busy });
  for (const name of ['A', 'B', 'C']) await app.createGroup({ name });
});
afterAll(() => app.close());

/** More often than an operation is carried out before it is compiled. */
const times = 6;

async function sendOften(send: () => Promise<Answer>): Promise<Answer[]> {
  const answers: Answer[] = [];
  for (let time = 0; time < times; time++) answers.push(await send());
  return answers;
}

/** What an answer says, without what names the request. */
const contentOf = ({ status, body }: Answer) => ({ status, body });

const cases: [what: string, query: string, variables?: object][] = [
  ['all fields of a group', `{ group(id: 1) { ${twelveFields} createdAt updatedAt __typename } }`],
  [
    'lists within lists',
    '{ allGroups { id subscribers(first: 2) { nodes { username status group { id } } totalCount } } }',
  ],
  [
    'a page',
    'query ($first: Int) { searchGroups(first: $first) { nodes { name } pageInfo { endCursor } } }',
    { first: 2 },
  ],
  [
    'the defaults of an input',
    'query ($by: GroupOrder) { searchGroups(orderBy: $by) { nodes { name } } }',
    { by: { field: 'NAME' } },
  ],
  ['the default of a variable', 'query ($first: Int = 1) { searchGroups(first: $first) { nodes { name } } }'],
  [
    'fragments',
    '{ a: group(id: 1) { ...f } b: group(id: 2) { ... on Group { ...f } } } fragment f on Group { id n: name }',
  ],
  [
    'what is skipped',
    'query ($no: Boolean!) { group(id: 1) { id name @skip(if: $no) price @include(if: $no) } }',
    { no: true },
  ],
  [
    'what is not',
    'query ($no: Boolean!) { group(id: 1) { id name @skip(if: $no) price @include(if: $no) } }',
    { no: false },
  ],
  ['introspection', getIntrospectionQuery()],
  ['a group that is not there', 'query ($id: Int!) { group(id: $id) { id } }', { id: 2_000_000_000 }],
  ['a bad id', 'query ($id: Int) { group(id: $id) { id } }', { id: 0 }],
  ['a null for what must not be null', 'query ($id: Int) { group(id: $id) { id } }', { id: null }],
  ['an argument that is missing', 'query ($id: Int) { group(id: $id) { id } }'],
  ['a variable that is missing', 'query ($id: Int!) { group(id: $id) { id } }'],
  ['a variable of another type', 'query ($id: Int!) { group(id: $id) { id } }', { id: '1' }],
  ['a list for an input', 'mutation ($g: GroupInput!) { createGroup(group: $g) { id } }', { g: [] }],
  [
    'a field that no input has',
    'mutation ($g: GroupInput!) { createGroup(group: $g) { id } }',
    { g: { ...plainGroup, x: 1 } },
  ],
  [
    'a bad price',
    'mutation ($g: GroupInput!) { createGroup(group: $g) { id } }',
    { g: { ...plainGroup, price: 'x' } },
  ],
  ['a group in use', 'mutation ($id: Int!) { deleteGroup(id: $id) { id } }', { id: 1 }],
  [
    'errors beside data',
    '{ good: group(id: 1) { id } bad: group(id: 0) { id } gone: group(id: 99999) { id } }',
  ],
];

test.each(cases.map(([what, query, variables = {}]) => [what, query, variables] as const))(
  '%s: a compiled operation answers as it did before',
  async (_what, query, variables) => {
    const [first, ...others] = await sendOften(() => app.graphql(query, variables));
    for (const other of others) expect(contentOf(other)).toStrictEqual(contentOf(first!));
  },
);

test('the operation that is named is carried out, though the document has another', async () => {
  const query = 'query a { group(id: 1) { id } } query b { group(id: 2) { id } }';
  for (const [operationName, id] of [
    ['a', 1],
    ['b', 2],
  ] as const) {
    for (const { body } of await sendOften(() => app.post('/graphql', { query, operationName }))) {
      expect(body).toStrictEqual({ data: { group: { id } } });
    }
  }
});

test('the mutations of a compiled request are done one after the other, each whatever becomes of the others', async () => {
  const query =
    'mutation ($id: Int!) { first: deleteGroup(id: $id) { id } again: deleteGroup(id: $id) { id } back: restoreGroup(id: $id) { id name } }';
  const id = await app.createGroup({ name: 'Back' });
  for (const { status, body } of await sendOften(() => app.graphql(query, { id }))) {
    expect(status).toBe(200);
    expect(body.data).toStrictEqual({ first: { id }, again: null, back: { id, name: 'Back' } });
    expect(body.errors).toHaveLength(1);
    expect(body.errors[0]).toMatchObject({ path: ['again'], extensions: { code: 'NOT_FOUND' } });
  }
});
