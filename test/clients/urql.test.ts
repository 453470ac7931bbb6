import { expect, test } from '@jest/globals';
import { Client, fetchExchange, gql } from '@urql/core';
import { createGroupClient, readApiError } from './urql.ts';
import { testGroupClient } from '../support/client-cases.ts';
import { openTestApp, testKey } from '../support/test-app.ts';

testGroupClient({ createGroupClient, readApiError });

test("urql's queries by GET succeed at /graphql, and are rejected at the operation's path", async () => {
  const app = await openTestApp();
  const id = await app.createGroup();
  const methods: unknown[] = [];
  const read = async (door: string) => {
    const client = new Client({
      url: app.httpUrl + door,
      exchanges: [fetchExchange],
      fetchOptions: { headers: { 'X-APIKEY': testKey } },
      fetch: async (address, init) => {
        methods.push(init?.method);
        return fetch(address, init);
      },
    });
    const { data, error } = await client.query(
      gql`
        query ($id: Int) {
          group(id: $id) {
            id
          }
        }
      `,
      { id },
    );
    return error ? readApiError(error) : data;
  };
  const atGraphQL = await read('/graphql');
  const atOwnPath = await read('/group');
  await app.close();
  expect(atGraphQL).toMatchObject({ group: { id } });
  expect(atOwnPath).toStrictEqual({ code: 'METHOD_NOT_ALLOWED' });
  expect(methods).toStrictEqual(['GET', 'GET']);
});
