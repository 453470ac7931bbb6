import { spawn, type ChildProcess } from 'node:child_process';
import { afterEach, expect, test } from '@jest/globals';
import { bin, createCommandLine, cwd } from '../support/command-line.ts';
import { openCountingProxy } from '../support/counting-proxy.ts';
import { useTestApp, type Json } from '../support/test-app.ts';
import { waitUntil } from '../support/wait-until.ts';

const app = useTestApp();
const { run } = createCommandLine(() => app);

const started: ChildProcess[] = [];
afterEach(() => {
  for (const child of started.splice(0)) child.kill('SIGKILL');
});

type Follower = {
  readonly events: Json[];
  readonly stderr: () => string;
  readonly exited: Promise<number | null>;
  readonly stop: () => Promise<number | null>;
};

/** Starts `group-api events --json`, and returns what it has printed so far. */
function follow(args: readonly string[] = [], url = app.url): Follower {
  const child = spawn(process.execPath, [bin, 'events', '--json', ...args], {
    cwd,
    env: { PATH: process.env['PATH'], DATABASE_URL: url },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  started.push(child);
  const events: Json[] = [];
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (part: string) => {
    const lines = (text + part).split('\n');
    text = lines.pop()!;
    events.push(...lines.map((line) => JSON.parse(line)));
  });
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (part: string) => (stderr += part));
  const exited = new Promise<number | null>((resolve) => child.once('close', resolve));
  return {
    events,
    stderr: () => stderr,
    exited,
    async stop() {
      child.kill('SIGTERM');
      return exited;
    },
  };
}

/** The command starts with the next event: it has started when it prints one. */
async function waitForStart({ events }: Follower): Promise<void> {
  await waitUntil(async () => {
    await app.createGroup();
    return events.length > 0;
  });
}

test('events prints those of its types after an id, those of commands too, and ends with 0 at a stop signal', async () => {
  const all = follow();
  await waitForStart(all);
  const [first] = all.events;
  const id = await app.createGroup();
  await run('groups', 'edit', String(id), '--price', '12.50');
  await app.post('/deleteGroup', { id, reason: 'over' });
  await waitUntil(() => all.events.some(({ type }) => type === 'group.deleted'));
  expect(await all.stop()).toBe(0);
  const deleted = all.events.at(-1);
  expect(Object.keys(deleted)).toStrictEqual(['type', 'timestamp', 'data']);
  expect(deleted).toMatchObject({
    type: 'group.deleted',
    data: { account: 'admin', group: { id }, reason: 'over' },
  });

  const some = follow(['--after', first.data.id, '--type', 'group.edited,group.deleted']);
  await waitUntil(() => some.events.length >= 2);
  expect(some.events).toStrictEqual(all.events.filter(({ type }) => type !== 'group.created'));
  expect(some.events[0].data).toMatchObject({
    account: expect.stringMatching(/^command-line:/),
    group: { price: '12.50' },
    before: { price: '9.90' },
  });
  expect(await some.stop()).toBe(0);
});

test('events rejects an unknown type and an unknown id, and prints nothing', async () => {
  const type = await run('events', '--type', 'group.lost');
  expect([type.code, type.stdout]).toStrictEqual([1, '']);
  expect(type.stderr).toContain('There is no event type "group.lost"');
  const id = await run('events', '--after', '1-0-1795685400000');
  expect([id.code, id.stdout]).toStrictEqual([1, '']);
  expect(id.stderr).toContain('is not in this database');
});

test('events waits for a database that is unavailable, and then prints what was committed meanwhile', async () => {
  const proxy = await openCountingProxy(app.url);
  const follower = follow([], proxy.url);
  await waitForStart(follower);
  await proxy.close();
  await waitUntil(() => follower.stderr().includes('The database is unavailable: retrying every second'));
  const id = await app.createGroup();
  const reopened = await openCountingProxy(app.url, Number(new URL(proxy.url).port));
  await waitUntil(() => follower.events.some(({ data }) => data.group.id === id));
  expect(await follower.stop()).toBe(0);
  expect(follower.stderr().split('retrying every second')).toHaveLength(2);
  await reopened.close();
});

test('events ends with an error, instead of skipping events, if the database has lost its last transactions', async () => {
  const follower = follow();
  await waitForStart(follower);
  const [last] = await app.sql('SELECT max(id)::text AS id FROM audit_events');
  const auditId = String(last!['id']);
  await waitUntil(() => follower.events.some(({ data }) => data.id.startsWith(`${auditId}-`)));
  // As after a failover to a standby that lags.
  await app.sql(`BEGIN; SET LOCAL session_replication_role = replica;
    UPDATE audit_events SET at = at + interval '1 second' WHERE id = ${auditId}; COMMIT`);
  expect(await follower.exited).toBe(1);
  expect(follower.stderr()).toContain('The database has lost its last transactions');
});
