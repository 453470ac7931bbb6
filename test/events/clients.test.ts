import { ApolloClient, gql, HttpLink, InMemoryCache } from '@apollo/client';
import { Client, fetchExchange } from '@urql/core';
import { expect, test } from '@jest/globals';
import { createClient as createSseClient } from 'graphql-sse';
import { testKey, useTestApp, type Json } from '../support/test-app.ts';
import { waitUntil } from '../support/wait-until.ts';

const app = useTestApp();

const query = `subscription Deleted($types: [EventType!], $after: ID) {
  groupEvents(types: $types, after: $after) { id type timestamp data }
}`;

type Received = {
  readonly onEvent: (event: Json) => void;
  readonly onError: (error: Json) => void;
  readonly onComplete: () => void;
};

/** Starts a subscription with a client as it is delivered, and returns the function that ends it. */
type Start = (url: string, variables: object, received: Received) => () => void;

const headers = { 'X-APIKEY': testKey };

const withApollo: Start = (uri, variables, { onEvent, onError, onComplete }) => {
  const client = new ApolloClient({ link: new HttpLink({ uri, headers }), cache: new InMemoryCache() });
  const subscription = client.subscribe<Json>({ query: gql(query), variables }).subscribe({
    next: ({ data, error }) => (error ? onError(error) : onEvent(data.groupEvents)),
    error: onError,
    complete: onComplete,
  });
  return () => subscription.unsubscribe();
};

const withUrql: Start = (url, variables, { onEvent, onError, onComplete }) => {
  const client = new Client({
    url,
    preferGetMethod: false,
    exchanges: [fetchExchange],
    fetchSubscriptions: true,
    fetchOptions: { headers },
  });
  const subscription = client.subscription(query, variables).subscribe(({ data, error, hasNext }) => {
    if (error) onError(error);
    else if (data) onEvent(data.groupEvents);
    if (!hasNext) onComplete();
  });
  return () => subscription.unsubscribe();
};

const withGraphQLSse: Start = (url, variables, { onEvent, onError, onComplete }) => {
  const client = createSseClient({ url, headers, retryAttempts: 0 });
  return client.subscribe<Json>(
    { query, variables: { ...variables } },
    {
      next: ({ data, errors }) => (errors ? onError(errors) : onEvent(data.groupEvents)),
      error: onError,
      complete: onComplete,
    },
  );
};

test.each([
  ["Apollo Client's HttpLink", withApollo],
  ["urql's fetchExchange", withUrql],
  ["graphql-sse's client", withGraphQLSse],
] as const)(
  '%s receives live events and those after an id, and the error of a wrong argument',
  async (_name, start) => {
    const listen = (variables: object) => {
      const events: Json[] = [];
      const errors: Json[] = [];
      const received = {
        onEvent: (event: Json) => void events.push(event),
        onError: (error: Json) => void errors.push(error),
        onComplete: () => undefined,
      };
      return { events, errors, stop: start(`${app.httpUrl}/graphql`, variables, received) };
    };
    const after = await latestEventId();
    const live = listen({ types: ['GROUP_CREATED', 'GROUP_DELETED'], after });
    const ids = [await app.createGroup(), await app.createGroup()];
    await waitUntil(() => live.events.length >= 2);
    await app.post('/deleteGroups', { ids });
    await waitUntil(() => live.events.length >= 4);
    expect(live.events.map(({ type, data }) => [type, data.group.id])).toStrictEqual([
      ['group.created', ids[0]],
      ['group.created', ids[1]],
      ['group.deleted', ids[0]],
      ['group.deleted', ids[1]],
    ]);
    live.stop();

    const resumed = listen({ after: live.events[1].id });
    await waitUntil(() => resumed.events.length >= 2);
    expect(resumed.events).toMatchObject(live.events.slice(2));
    resumed.stop();

    const wrong = listen({ after: 'x' });
    await waitUntil(() => wrong.errors.length > 0);
    expect(JSON.stringify(wrong.errors) + String(wrong.errors[0])).toContain(
      'after must be the id of an event',
    );
    expect(wrong.events).toStrictEqual([]);
    wrong.stop();
    for (const errors of [live.errors, resumed.errors]) expect(errors).toStrictEqual([]);
  },
);

/** The id of the newest event, after a change that is none of the test's types. */
async function latestEventId(): Promise<string> {
  const id = await app.createGroup();
  const [event] = await app.sql<{ id: string }>(
    `SELECT id || '-0-' || (extract(epoch FROM at) * 1000)::bigint AS id FROM audit_events
     WHERE target_ids = ARRAY[$1] ORDER BY audit_events.id DESC LIMIT 1`,
    [String(id)],
  );
  return event!.id;
}
