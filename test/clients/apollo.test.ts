import { createHash } from 'node:crypto';
import { ApolloClient, ApolloLink, gql, HttpLink, InMemoryCache } from '@apollo/client';
import { PersistedQueryLink } from '@apollo/client/link/persisted-queries';
import { expect, test } from '@jest/globals';
import { createGroupClient, readApiError } from './apollo.ts';
import { testGroupClient } from '../support/client-cases.ts';
import { openTestApp, testKey } from '../support/test-app.ts';

testGroupClient({ createGroupClient, readApiError });

test('an Apollo client with persisted queries sends the full query after PERSISTED_QUERY_NOT_SUPPORTED', async () => {
  const app = await openTestApp();
  const id = await app.createGroup();
  const asked: unknown[] = [];
  const client = new ApolloClient({
    link: ApolloLink.from([
      new PersistedQueryLink({ sha256: (text) => createHash('sha256').update(text).digest('hex') }),
      new HttpLink({
        uri: `${app.httpUrl}/graphql`,
        headers: { 'X-APIKEY': testKey },
        fetch: async (address, init) => {
          asked.push(Object.keys(JSON.parse(init?.body as string)).includes('query'));
          return fetch(address, init);
        },
      }),
    ]),
    cache: new InMemoryCache(),
  });
  const deletion = {
    mutation: gql`
      mutation ($id: Int!) {
        deleteGroup(id: $id) {
          id
        }
      }
    `,
    variables: { id },
  };
  const { data } = await client.mutate(deletion);
  await app.close();
  expect(data).toMatchObject({ deleteGroup: { id } });
  expect(asked).toStrictEqual([false, true]);
});
