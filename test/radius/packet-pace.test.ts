import { expect, test } from '@jest/globals';
import { createPacketPace } from '../../src/radius/packet-pace.ts';

test('turns of aborted requests take no time; the turn after them is still in the pace', async () => {
  const pace = createPacketPace();
  const [aborted, running] = [new AbortController(), new AbortController()];
  await pace.turn(running.signal);
  const startedAt = performance.now();
  const turns = Array.from({ length: 1000 }, () => pace.turn(aborted.signal));
  const last = pace.turn(running.signal);
  aborted.abort();
  await Promise.all(turns);
  await last;
  const elapsedMs = performance.now() - startedAt;
  expect(elapsedMs).toBeGreaterThanOrEqual(19);
  // 1,000 packets would take 21 seconds.
  expect(elapsedMs).toBeLessThan(10_000);
});
