import { Client, CombinedError, fetchExchange, gql } from '@urql/core';

const deletion = gql<{ deleteGroup: { id: number; name: string; price: string } }, { id: number }>`
  mutation DeleteGroup($id: Int!) {
    deleteGroup(id: $id) {
      id
      name
      price
    }
  }
`;

export function createGroupClient(url: string, apiKey: string) {
  const credentials = { 'X-APIKEY': apiKey };
  const client = new Client({
    url,
    exchanges: [fetchExchange],
    preferGetMethod: false,
    fetchOptions: { headers: credentials },
  });

  return {
    async deleteGroup(id: number, idempotencyKey: string) {
      let isReplayed = false;
      const { data, error } = await client.mutation(
        deletion,
        { id },
        {
          // These replace the client's headers.
          fetchOptions: { headers: { ...credentials, 'Idempotency-Key': idempotencyKey } },
          fetch: async (...request) => {
            const response = await fetch(...request);
            isReplayed = response.headers.get('Idempotency-Replayed') === 'true';
            return response;
          },
        },
      );
      if (error) throw error;
      return { group: data!.deleteGroup, isReplayed };
    },
  };
}

/**
 * Returns the `extensions` of the API's error: `code` and its details. Undefined for any other error, such as of the
 * network.
 */
export function readApiError(error: unknown) {
  return error instanceof CombinedError ? error.graphQLErrors[0]?.extensions : undefined;
}
