import { createClient } from 'graphql-sse';
import { readResult, send, withKey, type GraphQLResponse, type OperationRequest } from './api.ts';

type SubscriptionOptions = {
  /** Ends the subscription. */
  readonly signal: AbortSignal;
  /** Converts an error to the result that the page shows. */
  readonly report: (error: unknown) => GraphQLResponse;
};

/**
 * Opens a subscription by Server-Sent Events, and returns its results. `return` and the signal close the connection
 * immediately. If anything else ends the subscription, the last result has an error that says how to continue.
 * @throws NotSentError
 */
export function openSubscription(
  key: string,
  { headers = {}, query, operationName, variables }: OperationRequest,
  { signal, report }: SubscriptionOptions,
): AsyncGenerator<GraphQLResponse, void> {
  let isStopped = false;
  /** What to show instead of events, if the server has opened no stream. */
  let rejection: GraphQLResponse | undefined;
  const client = createClient({
    url: 'graphql',
    headers: Object.fromEntries(withKey(headers, key)),
    // A retry would skip the events in between.
    retryAttempts: 0,
    fetchFn: async (path: string, init: RequestInit) => {
      try {
        const response = await send(path, init);
        if (response.headers.get('Content-Type')?.startsWith('text/event-stream')) return response;
        rejection = await readResult(response);
      } catch (error) {
        if (!isStopped) rejection = report(error);
      }
      throw new Error('no stream');
    },
  });

  async function* readResults(): AsyncGenerator<GraphQLResponse, void> {
    let last: GraphQLResponse | undefined;
    let end = 'The server has ended the subscription, because it stops.';
    try {
      const results = client.iterate({
        query,
        ...(operationName ? { operationName } : {}),
        ...(variables ? { variables: variables as Record<string, unknown> } : {}),
      });
      for await (const result of results) yield (last = result as GraphQLResponse);
    } catch {
      end = 'The connection to the server was lost.';
    }
    if (isStopped || last?.errors) return;
    yield rejection ?? { errors: [{ message: `${end} ${describeContinuation(last)}` }], ...last };
  }

  const stop = () => {
    isStopped = true;
    client.dispose();
  };
  signal.addEventListener('abort', stop, { once: true });
  const results = readResults();
  // A generator does not return while it waits for the next event.
  return Object.assign(results, {
    return: async () => {
      stop();
      return { done: true as const, value: undefined };
    },
  });
}

function describeContinuation(last: GraphQLResponse | undefined): string {
  if (last === undefined) return 'Run it again.';
  const [event] = Object.values(last.data as Record<string, { readonly id?: unknown }>);
  return typeof event?.id === 'string'
    ? `Run it again with the variable after set to ${event.id}: it continues after this event.`
    : 'Run it again. It continues after an event if its argument after is the id of that event.';
}
