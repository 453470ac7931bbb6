import { spawn, type ChildProcess } from 'node:child_process';
import { afterEach, expect, test } from '@jest/globals';
import { bin, createCommandLine, cwd } from '../support/command-line.ts';
import { useTestApp, type Json } from '../support/test-app.ts';
import { waitUntil } from '../support/wait-until.ts';

const app = useTestApp();
const { run } = createCommandLine(() => app);

const started: ChildProcess[] = [];
afterEach(() => {
  for (const child of started.splice(0)) child.kill('SIGKILL');
});

/** Starts `group-api events --json`, and returns the events that it has printed so far. */
function follow(...args: string[]): { readonly events: Json[]; readonly stop: () => Promise<number | null> } {
  const child = spawn(process.execPath, [bin, 'events', '--json', ...args], {
    cwd,
    env: { PATH: process.env['PATH'], DATABASE_URL: app.url },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  started.push(child);
  const events: Json[] = [];
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (part: string) => {
    const lines = (text + part).split('\n');
    text = lines.pop()!;
    events.push(...lines.map((line) => JSON.parse(line)));
  });
  return {
    events,
    async stop() {
      const exited = new Promise<number | null>((resolve) => child.once('exit', resolve));
      child.kill('SIGTERM');
      return exited;
    },
  };
}

test('events prints those of its types after an id, those of commands too, and ends with 0 at a stop signal', async () => {
  const all = follow();
  // The command starts with the next event: it has started when it prints one.
  await waitUntil(async () => {
    await app.createGroup();
    return all.events.length > 0;
  });
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

  const some = follow('--after', first.data.id, '--type', 'group.edited', '--type', 'group.deleted');
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
