import { ApolloClient, HttpLink, InMemoryCache } from '@apollo/client';
import { describe, expect, test } from '@jest/globals';
import { Client, fetchExchange } from '@urql/core';
import { GraphQLClient } from 'graphql-request';
import { readApiError as readApolloError } from './apollo.ts';
import { DeleteGroupDocument } from './generated/graphql.ts';
import { readApiError as readRequestError } from './graphql-request.ts';
import { deleteByApollo, deleteByGraphQLRequest, deleteByUrql } from './typed.ts';
import { readApiError as readUrqlError } from './urql.ts';
import { createProbes } from '../support/probes.ts';
import { testKey, useTestApp } from '../support/test-app.ts';

const app = useTestApp();
const { groupRow, readState } = createProbes(() => app);

const headers = { 'X-APIKEY': testKey };
const apolloClient = (uri: string) =>
  new ApolloClient({ link: new HttpLink({ uri, headers }), cache: new InMemoryCache() });
const urqlClient = (url: string) =>
  new Client({ url, exchanges: [fetchExchange], preferGetMethod: false, fetchOptions: { headers } });
const requestClient = (url: string) => new GraphQLClient(url, { headers });

describe.each(['/graphql', '/deleteGroup'])('the generated typed document at %s', (door) => {
  test.each([
    ['Apollo Client', (url: string, id: number) => deleteByApollo(apolloClient(url), id)],
    ['urql', (url: string, id: number) => deleteByUrql(urqlClient(url), id)],
    ['graphql-request', (url: string, id: number) => deleteByGraphQLRequest(requestClient(url), id)],
  ])('the typed document deletes the group by %s; other groups are unchanged', async (_name, deleteGroup) => {
    const [id, other] = [await app.createGroup(), await app.createGroup()];
    const group: { id: number; name: string; price: string } | null = await deleteGroup(
      app.httpUrl + door,
      id,
    );
    expect(group).toMatchObject({ id, name: 'Plain', price: '9.90' });
    expect(await groupRow(id)).toStrictEqual([]);
    expect(await groupRow(other)).toHaveLength(1);
  });

  test('a variable of the wrong type is rejected by the compiler and by the server', async () => {
    const url = app.httpUrl + door;
    const variables = { id: 'seven' };
    const before = await readState();

    // @ts-expect-error: the id is a number
    const byApollo = apolloClient(url).mutate({ mutation: DeleteGroupDocument, variables });
    // @ts-expect-error: the id is a number
    const byRequest = requestClient(url).request(DeleteGroupDocument, variables);
    // @ts-expect-error: the id is a number
    const byUrql = urqlClient(url).mutation(DeleteGroupDocument, variables);

    const rejection = { code: 'BAD_USER_INPUT', argument: 'id' };
    expect(readApolloError(await byApollo.catch((error: unknown) => error))).toStrictEqual(rejection);
    expect(readRequestError(await byRequest.catch((error: unknown) => error))).toStrictEqual(rejection);
    expect(readUrqlError((await byUrql).error)).toStrictEqual(rejection);
    expect(await readState()).toStrictEqual(before);
  });
});
