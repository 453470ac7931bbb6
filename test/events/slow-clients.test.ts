import { request } from 'node:http';
import { once } from 'node:events';
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { subscribe } from '../support/subscription.ts';
import { testKey, useTestApp } from '../support/test-app.ts';
import { waitUntil } from '../support/wait-until.ts';

// The clock and the intervals of the server, which runs in this process, are the test's: timeouts are real.

const app = useTestApp({ MAX_SUBSCRIPTIONS: 1 });
beforeAll(() => {
  jest.useFakeTimers({
    doNotFake: [
      'hrtime',
      'nextTick',
      'performance',
      'queueMicrotask',
      'setImmediate',
      'clearImmediate',
      'setTimeout',
      'clearTimeout',
    ],
  });
});
afterAll(() => void jest.useRealTimers());

const all = 'subscription { groupEvents { id type data } }';

test('a subscription without events sends a heartbeat 15 seconds after what it sent last, not before', async () => {
  const subscription = await subscribe(app.httpUrl, all);
  const receiveNext = async (count: number) => {
    await app.createGroup();
    expect(await subscription.receive(count)).toHaveLength(count);
  };
  await receiveNext(1);
  expect(subscription.heartbeats()).toBe(0);
  jest.advanceTimersByTime(14_000);
  // What was sent before this event has arrived with it.
  await receiveNext(2);
  expect(subscription.heartbeats()).toBe(0);
  jest.advanceTimersByTime(14_000);
  await receiveNext(3);
  expect(subscription.heartbeats()).toBe(0);
  for (const count of [1, 2]) {
    jest.advanceTimersByTime(16_000);
    await waitUntil(() => subscription.heartbeats() === count);
  }
  await receiveNext(4);
  subscription.close();
});

test('a client that reads nothing for 30 seconds is disconnected, whatever waits for it', async () => {
  await waitUntil(async () => {
    const probe = await subscribe(app.httpUrl, all);
    probe.close();
    return probe.status === 200;
  });
  const body = JSON.stringify({ query: all });
  const open = () => {
    const slow = request(`${app.httpUrl}/graphql`, {
      method: 'POST',
      agent: false,
      headers: {
        'Content-Type': 'application/json',
        Accept: 'text/event-stream',
        'X-APIKEY': testKey,
        'Content-Length': body.length,
      },
    });
    slow.on('error', () => undefined);
    slow.end(body);
    return slow;
  };
  let slow = open();
  await waitUntil(async () => {
    const [response] = await once(slow, 'response');
    if (response.statusCode === 200) return true;
    slow.destroy();
    slow = open();
    return false;
  });
  // 40 MB, more than the buffers of a connection.
  await app.sql(
    `INSERT INTO audit_events (account, credential, address, request_id, operation, target_ids, outcome, after)
     SELECT 'many', 'api-key', '127.0.0.1', 'r', 'createGroup', ARRAY[n::text], 'done',
       jsonb_build_object('id', n, 'description', repeat(md5(n::text), 1250))
     FROM generate_series(1, 1000) n`,
  );
  let seconds = 0;
  const isFree = async () => {
    const probe = await subscribe(app.httpUrl, all);
    probe.close();
    return probe.status === 200;
  };
  await waitUntil(async () => {
    jest.advanceTimersByTime(1000);
    seconds++;
    return isFree();
  });
  expect(seconds).toBeGreaterThanOrEqual(30);
  slow.destroy();
});
