// Sends GraphQL requests to measured servers, with the key of group-api's admin.
import { setTimeout as sleep } from 'node:timers/promises';
import { adminKey } from './peers.js';

/** Returns the data of a response. @throws Error if it has errors */
export async function send({ port }, query, variables) {
  const response = await fetch(`http://127.0.0.1:${port}/graphql`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', 'X-APIKEY': adminKey },
    body: JSON.stringify({ query, variables }),
  });
  const { data, errors } = await response.json();
  if (errors) throw new Error(JSON.stringify(errors));
  return data;
}

/** Repeats a query until it succeeds: a server may listen before it is ready. */
export async function untilSuccessful(server, query) {
  for (const deadline = performance.now() + 10_000; ;) {
    try {
      return await send(server, query);
    } catch (error) {
      if (performance.now() > deadline) throw error;
      await sleep(5);
    }
  }
}
