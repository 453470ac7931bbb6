import { ClientError, gql, GraphQLClient } from 'graphql-request';

const deletion = gql`
  mutation DeleteGroup($id: Int!) {
    deleteGroup(id: $id) {
      id
      name
      price
    }
  }
`;

export function createGroupClient(url: string, apiKey: string) {
  const client = new GraphQLClient(url, { headers: { 'X-APIKEY': apiKey } });

  return {
    async deleteGroup(id: number, idempotencyKey: string) {
      const { data, headers } = await client.rawRequest<{
        deleteGroup: { id: number; name: string; price: string };
      }>(deletion, { id }, { 'Idempotency-Key': idempotencyKey });
      return {
        group: data.deleteGroup,
        isReplayed: headers.get('Idempotency-Replayed') === 'true',
      };
    },
  };
}

/**
 * Returns the `extensions` of the API's error: `code` and its details. Undefined for any other error, such as of the
 * network.
 */
export function readApiError(error: unknown) {
  return error instanceof ClientError ? error.response.errors?.[0]?.extensions : undefined;
}
