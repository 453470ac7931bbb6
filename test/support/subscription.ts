import { testKey, type Json } from './test-app.ts';
import { waitUntil } from './wait-until.ts';

/** An open subscription, and what it has received so far. */
export type Subscription = {
  readonly status: number;
  readonly headers: Headers;
  /** The results, in their order. */
  readonly results: Json[];
  /** The events of the results of `groupEvents`. */
  readonly events: () => Json[];
  readonly isComplete: () => boolean;
  /** The number of heartbeats after the start of the response, which is written as one. */
  readonly heartbeats: () => number;
  /** The end of the body that is no whole result: all of an error response. */
  readonly rest: () => string;
  /** Waits until a number of events have been received, and returns all. */
  readonly receive: (count: number) => Promise<Json[]>;
  readonly waitForEnd: () => Promise<void>;
  readonly close: () => void;
};

/** Opens a subscription by Server-Sent Events, without a GraphQL client. */
export async function subscribe(
  httpUrl: string,
  query: string,
  {
    key = testKey,
    headers = {},
    variables = {},
  }: { key?: string; headers?: Record<string, string>; variables?: object } = {},
): Promise<Subscription> {
  const controller = new AbortController();
  const response = await fetch(`${httpUrl}/graphql`, {
    method: 'POST',
    headers: {
      'Content-Type': 'application/json',
      Accept: 'text/event-stream',
      Authorization: `Bearer ${key}`,
      ...headers,
    },
    body: JSON.stringify({ query, variables }),
    signal: controller.signal,
  });
  const results: Json[] = [];
  let rest = '';
  let isComplete = false;
  let comments = 0;
  let isEnded = false;
  const read = async () => {
    const decoder = new TextDecoder();
    for await (const bytes of response.body!) {
      rest += decoder.decode(bytes, { stream: true });
      const blocks = rest.split('\n\n');
      rest = blocks.pop()!;
      for (const block of blocks) {
        const [, data] = /^event: next\ndata: (.*)$/s.exec(block) ?? [];
        if (data !== undefined) results.push(JSON.parse(data));
        if (block.startsWith('event: complete')) isComplete = true;
        if (block === ':') comments++;
      }
    }
  };
  const reading = read()
    .catch(() => undefined)
    .finally(() => (isEnded = true));
  const events = () => results.flatMap(({ data }) => (data ? [data.groupEvents] : []));
  return {
    status: response.status,
    headers: response.headers,
    results,
    events,
    isComplete: () => isComplete,
    heartbeats: () => comments - 1,
    rest: () => rest,
    async receive(count) {
      await waitUntil(() => events().length >= count || isEnded);
      return events();
    },
    async waitForEnd() {
      await waitUntil(() => isEnded);
      await reading;
    },
    close: () => controller.abort(),
  };
}
