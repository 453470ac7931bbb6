import { describe, expect, test } from '@jest/globals';
import { createSchema } from '../../src/graphql/schema.ts';
import { useTestApp } from '../support/test-app.ts';

const app = useTestApp();

const schema = createSchema();
const rootFields = [schema.getQueryType()!, schema.getMutationType()!].flatMap((type) =>
  Object.keys(type.getFields()),
);

test.each(rootFields)('POST /%s executes its own operation only', async (field) => {
  const other = rootFields.find((candidate) => candidate !== field);
  const answer = await app.post(`/${field}`, { query: `{ ${other} }` });
  expect(answer.status).toBe(400);
  expect(answer.body.errors[0]).toMatchObject({
    message: `The query must be one operation whose only root field is ${field}; use /graphql for any other`,
    extensions: { code: 'BAD_USER_INPUT', argument: 'query' },
  });
});

test("the body of an operation's path may be a GraphQL request, its variables, or the arguments", async () => {
  const id = await app.createGroup();
  const bodies = [
    { query: 'query ($id: Int) { group(id: $id) { id } }', variables: { id } },
    { variables: { id } },
    { id },
  ];
  for (const body of bodies) expect((await app.post('/group', body)).body.data.group).toMatchObject({ id });
});

describe('rejected requests', () => {
  const group = 'group(id: 1) { id }';
  test.each([
    ['two root fields', { query: `{ ${group} other: ${group} }` }],
    ['two operations', { query: `query a { ${group} } query b { ${group} }`, operationName: 'a' }],
    ['a fragment at the root', { query: `{ ...f } fragment f on Query { ${group} }` }],
    ['no operation at all', { query: 'fragment f on Query { group(id: 1) { id } }' }],
    ['a query that is not a string', { query: { kind: 'Document' } }],
  ])("an operation's path rejects %s", async (_what, body) => {
    const answer = await app.post('/group', body);
    expect(answer.status).toBe(400);
    expect(answer.body.errors[0].extensions.code).toMatch(/BAD_USER_INPUT|BAD_REQUEST/);
  });

  test.each([
    ['an argument that it does not have', { idd: 7 }, 'idd', 'group has no argument "idd"; it has id'],
    [
      'a variable that it does not have',
      { variables: { idd: 7 } },
      'idd',
      'group has no argument "idd"; it has id',
    ],
    [
      'an argument next to variables',
      { variables: { id: 7 }, id: 8 },
      'id',
      'Move "id" into "variables", or omit "variables": otherwise it would be ignored',
    ],
    ['variables that are a list', { variables: [7] }, 'variables', 'variables must be a JSON object'],
    ['variables that are a text', { variables: 'id' }, 'variables', 'variables must be a JSON object'],
    ['a list', [{ id: 7 }], 'body', 'The body must be a JSON object'],
    ['a text', 'id', 'body', 'The body must be a JSON object'],
  ])("an operation's path rejects %s, and names the argument", async (_what, body, argument, message) => {
    const answer = await app.post('/group', body);
    expect(answer.status).toBe(400);
    expect(answer.body.errors[0]).toStrictEqual({
      message,
      extensions: { code: 'BAD_USER_INPUT', argument },
    });
  });

  test("an operation's path rejects an invalid query with the errors of /graphql and the status 400", async () => {
    const parse = await app.post('/group', { query: '{ group(' });
    expect([parse.status, parse.body.errors[0].extensions.code]).toStrictEqual([400, 'GRAPHQL_PARSE_FAILED']);
    const validate = await app.post('/group', { query: '{ group(id: 1) { size } }' });
    expect([validate.status, validate.body.errors[0].extensions.code]).toStrictEqual([
      400,
      'GRAPHQL_VALIDATION_FAILED',
    ]);
  });

  test("an operation's path rejects any method other than POST", async () => {
    const answer = await app.send('/group?id=1');
    expect(answer.status).toBe(405);
    expect(answer.headers.get('allow')).toBe('POST');
  });
});
