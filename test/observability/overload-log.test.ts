import { expect, test } from '@jest/globals';
import { logLinesOf } from '../support/log-lines.ts';
import { openSecondConnection } from '../support/second-connection.ts';
import { useServedApp } from '../support/served-app.ts';
import { waitUntil } from '../support/wait-until.ts';

const app = useServedApp(() => ({ MAX_CONCURRENT_REQUESTS: '1' }));

test('requests rejected under overload before they are read are counted in one warning a second, the last ones at a stop', async () => {
  const id = await app.createGroup();
  const locker = await openSecondConnection(app.database);
  await locker.lockGroup(id);
  const waiting = app.post('/deleteGroup', { id });
  await locker.waitForBlocked();
  const startedAt = performance.now();
  const reject = async (count: number) => {
    const answers = await Promise.all(Array.from({ length: count }, () => app.post('/allGroups', {})));
    expect(new Set(answers.map(({ status }) => status))).toStrictEqual(new Set([503]));
    return answers.map(({ requestId }) => requestId);
  };
  const warnings = () => logLinesOf(app.process, 'rejected requests');
  const countUnread = () => warnings().reduce((sum, { unread }) => sum + unread, 0);

  const first = await reject(50);
  await waitUntil(() => countUnread() === 50);
  expect(warnings()[0]).toMatchObject({
    level: 40,
    rejected: expect.any(Number),
    buffered: 1,
    streamed: 0,
    eventLoopDelayMs: expect.any(Number),
  });
  const last = await reject(7);
  await locker.close();
  expect((await waiting).status).toBe(200);
  app.process.kill('SIGTERM');
  await app.process.exited;
  expect(countUnread()).toBe(57);
  const seconds = Math.ceil((performance.now() - startedAt) / 1000);
  expect(warnings().length).toBeLessThanOrEqual(seconds + 1);
  const logged = logLinesOf(app.process, 'request').map(({ requestId }) => requestId);
  for (const requestId of [...first, ...last]) expect(logged).not.toContain(requestId);
});
