import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { getIntrospectionQuery } from 'graphql';
import { openTestApp, twelveFields, type TestApp } from '../support/test-app.ts';
import { createTestFolder } from '../support/test-folder.ts';

describe('ALLOWED_OPERATIONS_FILE', () => {
  const hashOf = (text: string) => createHash('sha256').update(text).digest('hex');
  const listed = 'query groups { allGroups { id name } }';
  const deletion = `mutation deleteGroup($id: Int!) { deleteGroup(id: $id) { ${twelveFields} } }`;
  let closed: TestApp;
  let file: string;
  beforeAll(async () => {
    file = join(await createTestFolder(), 'operations.json');
    await writeFile(file, JSON.stringify({ [hashOf(listed)]: listed, [hashOf(deletion)]: deletion }));
    closed = await openTestApp({ ALLOWED_OPERATIONS_FILE: file });
  });
  afterAll(() => closed.close());

  const sha256Hash = hashOf(listed);
  test.each([
    ['by its text', { query: listed }],
    ['by its documentId', { documentId: `sha256:${sha256Hash}` }],
    ['by its bare hash', { documentId: sha256Hash }],
    ["as Apollo's clients name it", { extensions: { persistedQuery: { version: 1, sha256Hash } } }],
  ])('ALLOWED_OPERATIONS_FILE accepts an operation on the list %s', async (_how, body) => {
    expect((await closed.post('/graphql', body)).body).toStrictEqual({ data: { allGroups: [] } });
    const search = new URLSearchParams(
      Object.entries(body).map(([name, value]): [string, string] => [
        name,
        typeof value === 'string' ? value : JSON.stringify(value),
      ]),
    );
    const got = await closed.send(`/graphql?${search.toString()}`);
    expect(got.body).toStrictEqual({ data: { allGroups: [] } });
  });

  test('ALLOWED_OPERATIONS_FILE accepts a mutation on the list at its path, by its hash and variables', async () => {
    const { body } = await closed.post('/deleteGroup', {
      documentId: hashOf(deletion),
      variables: { id: 999 },
    });
    expect(body.errors[0].extensions.code).toBe('NOT_FOUND');
  });

  test.each([
    ['another operation', '/graphql', { query: '{ allGroups { id } }' }],
    ['the same with another blank', '/graphql', { query: `${listed} ` }],
    ['an unknown hash', '/graphql', { documentId: hashOf('x') }],
    ['introspection', '/graphql', { query: getIntrospectionQuery() }],
    ['nothing', '/graphql', { variables: {} }],
    ['a query that is not a string', '/graphql', { query: { kind: 'Document' } }],
    ['an operation at its own path', '/deleteGroup', { query: 'mutation { deleteGroup(id: 1) { id } }' }],
    ['the short form, for which the server writes the operation', '/deleteGroup', { id: 1 }],
  ])('ALLOWED_OPERATIONS_FILE rejects %s', async (_what, path, body) => {
    const answer = await closed.post(path, body);
    expect([answer.status, answer.body.errors[0].extensions.code]).toStrictEqual([
      403,
      'OPERATION_NOT_ALLOWED',
    ]);
  });

  test('ALLOWED_OPERATIONS_FILE accepts an Apollo persisted query manifest', async () => {
    const operations = [{ id: sha256Hash, body: listed, name: 'groups', type: 'query' }];
    await writeFile(
      file,
      JSON.stringify({ format: 'apollo-persisted-query-manifest', version: 1, operations }),
    );
    const other = await openTestApp({ ALLOWED_OPERATIONS_FILE: file });
    expect((await other.graphql(listed)).body.data).toStrictEqual({ allGroups: [] });
    expect((await other.graphql(deletion, { id: 1 })).status).toBe(403);
    await other.close();
  });

  test.each([
    ['does not exist', undefined, /must be a JSON file: ENOENT/],
    ['is not JSON', '{', /must be a JSON file/],
    ['has a wrong hash', '{"aa":"{ __typename }"}', /aa is not the hash of its text/],
    [
      'has an operation of another schema',
      JSON.stringify({ [hashOf('{ other }')]: '{ other }' }),
      /invalid operation, .*: Cannot query field "other"/,
    ],
    [
      'has a text that is not an operation',
      JSON.stringify({ [hashOf('{')]: '{' }),
      /invalid operation, .*: Syntax Error/,
    ],
  ])('an ALLOWED_OPERATIONS_FILE that %s stops the start', async (_what, content, message) => {
    const path = content === undefined ? `${file}.none` : file;
    if (content !== undefined) await writeFile(path, content);
    await expect(openTestApp({ ALLOWED_OPERATIONS_FILE: path })).rejects.toThrow(message);
  });
});
