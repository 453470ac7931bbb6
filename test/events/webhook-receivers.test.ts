import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, test } from '@jest/globals';
import { createCommandLine } from '../support/command-line.ts';
import { useTestApp } from '../support/test-app.ts';
import { waitUntil } from '../support/wait-until.ts';
import { findFreePort } from '../support/tcp-postgres.ts';

const app = useTestApp({ WEBHOOK_ALLOW_HTTP: true, WEBHOOK_ALLOWED_NETWORKS: ['127.0.0.0/8'] });
const { run, environment } = createCommandLine(() => app);
Object.assign(environment, { WEBHOOK_ALLOW_HTTP: 'true', WEBHOOK_ALLOWED_NETWORKS: '127.0.0.0/8' });

const fileOf = (name: string) =>
  fileURLToPath(new URL(`../clients/webhook-receivers/${name}`, import.meta.url));
const isInstalled = (program: string) => {
  try {
    execFileSync(program, ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
};

let receiver: ChildProcess | undefined;
afterEach(async () => {
  if (receiver?.exitCode === null) {
    const closed = once(receiver, 'close');
    receiver.kill('SIGKILL');
    await closed;
  }
});

const receivers = [
  ['Node', process.execPath, () => [fileOf('receiver.js')]],
  ['Python', 'python3', () => [fileOf('receiver.py')]],
  ['PHP', 'php', (port: number) => ['-S', `127.0.0.1:${port}`, fileOf('receiver.php')]],
] as const;

for (const [language, program, argumentsFor] of receivers) {
  const testIfInstalled = isInstalled(program) ? test : test.skip;
  testIfInstalled(
    `the documented receiver in ${language} accepts a signed event, and rejects a changed one with 401`,
    async () => {
      const port = await findFreePort();
      const url = `http://127.0.0.1:${port}/`;
      const { stdout } = await run('webhooks', 'create', url, '--type', 'group.deleted', '--json');
      const { id, secret } = JSON.parse(stdout);
      let output = '';
      receiver = spawn(program, argumentsFor(port), {
        env: { PATH: process.env['PATH'], PORT: String(port), WEBHOOK_SECRET: secret },
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      receiver.stdout!.on('data', (chunk: Buffer) => (output += chunk.toString()));
      const post = (headers = {}, body = '{}') => fetch(url, { method: 'POST', headers, body });
      await waitUntil(async () =>
        post().then(
          ({ status }) => status === 401,
          () => false,
        ),
      );

      const groupId = await app.createGroup();
      await app.post('/deleteGroup', { id: groupId });
      await waitUntil(() => output.includes('\n'));
      const [, eventId] = /^group\.deleted (\S+) \d+$/m.exec(output)!;
      expect(output.trim()).toBe(`group.deleted ${eventId} ${groupId}`);

      const now = String(Math.floor(Date.now() / 1000));
      const forged = { 'webhook-id': eventId!, 'webhook-timestamp': now, 'webhook-signature': 'v1,AAAA' };
      expect((await post(forged)).status).toBe(401);
      await run('webhooks', 'remove', String(id), '--yes');
    },
  );
}
