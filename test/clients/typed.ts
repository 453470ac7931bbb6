import type { ApolloClient } from '@apollo/client';
import type { Client } from '@urql/core';
import type { GraphQLClient } from 'graphql-request';
import { DeleteGroupDocument } from './generated/graphql.ts';

export async function deleteByApollo(client: ApolloClient, id: number) {
  const { data } = await client.mutate({ mutation: DeleteGroupDocument, variables: { id } });
  return data!.deleteGroup;
}

export async function deleteByUrql(client: Client, id: number) {
  const { data, error } = await client.mutation(DeleteGroupDocument, { id });
  if (error) throw error;
  return data!.deleteGroup;
}

export async function deleteByGraphQLRequest(client: GraphQLClient, id: number) {
  const { deleteGroup } = await client.request(DeleteGroupDocument, { id });
  return deleteGroup;
}
