import { expect, test } from '@jest/globals';
import { useTestApp } from '../support/test-app.ts';
import { waitUntil } from '../support/wait-until.ts';

const app = useTestApp();

const probe = 'SELECT pg_is_in_recovery() AS is_standby';

/** The process ids of the server's sessions. */
async function listSessions(condition: string): Promise<number[]> {
  const rows = await app.sql<{ pid: number }>(
    `SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND ${condition}`,
  );
  return rows.map(({ pid }) => pid);
}

test('a blocked event loop does not make the database unavailable: the pool keeps its connections', async () => {
  await Promise.all(Array.from({ length: 8 }, () => app.createGroup()));
  // The watchdog waits for its second probe.
  await waitUntil(async () => (await listSessions(`state = 'idle' AND query = '${probe}'`)).length > 0);
  const pooled = await listSessions(`query <> '${probe}'`);

  // Both are due after the first block: the probe, then the second block, before the response is read.
  await new Promise<void>((resolve) => {
    setTimeout(() => {
      block(2100);
      resolve();
    }, 1050);
    block(1100);
  });

  expect((await app.post('/deleteGroup', { id: await app.createGroup() })).status).toBe(200);
  expect(await listSessions('true')).toStrictEqual(expect.arrayContaining(pooled));
});

function block(ms: number): void {
  const end = Date.now() + ms;
  while (Date.now() < end);
}
