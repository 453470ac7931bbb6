import {
  ApolloClient,
  ApolloLink,
  CombinedGraphQLErrors,
  gql,
  HttpLink,
  InMemoryCache,
} from '@apollo/client';
import { tap } from 'rxjs';

const deletion = gql`
  mutation DeleteGroup($id: Int!) {
    deleteGroup(id: $id) {
      id
      name
      price
    }
  }
`;

/** Passes the HTTP response to the callback `onResponse` in the context of a call, if there is one. */
const showResponse = new ApolloLink((operation, forward) =>
  forward(operation).pipe(
    tap(() => {
      const { response, onResponse } = operation.getContext();
      onResponse?.(response);
    }),
  ),
);

export function createGroupClient(uri: string, apiKey: string) {
  const client = new ApolloClient({
    link: ApolloLink.from([showResponse, new HttpLink({ uri, headers: { 'X-APIKEY': apiKey } })]),
    cache: new InMemoryCache(),
  });

  return {
    async deleteGroup(id: number, idempotencyKey: string) {
      let isReplayed = false;
      const { data } = await client.mutate<{ deleteGroup: { id: number; name: string; price: string } }>({
        mutation: deletion,
        variables: { id },
        context: {
          headers: { 'Idempotency-Key': idempotencyKey },
          onResponse: ({ headers }: Response) => {
            isReplayed = headers.get('Idempotency-Replayed') === 'true';
          },
        },
      });
      return { group: data!.deleteGroup, isReplayed };
    },
  };
}

/**
 * Returns the `extensions` of the API's error: `code` and its details. Undefined for any other error, such as of the
 * network.
 */
export function readApiError(error: unknown) {
  return CombinedGraphQLErrors.is(error) ? error.errors[0]!.extensions : undefined;
}
