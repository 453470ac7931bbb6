import { spawn } from 'node:child_process';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { bin, cwd } from '../support/command-line.ts';
import { sendWith } from '../support/test-accounts.ts';
import { useTestApp } from '../support/test-app.ts';
import { waitUntil } from '../support/wait-until.ts';

const app = useTestApp();

describe('while the database cannot be closed after a change,', () => {
  const sockets: Socket[] = [];
  // Forwards everything, but never closes a connection that the client has ended.
  const proxy = createServer({ allowHalfOpen: true }, (client) => {
    const { hostname, port, searchParams } = new URL(app.url);
    const folder = searchParams.get('host');
    const server = folder ? connect(`${folder}/.s.PGSQL.5432`) : connect(Number(port || 5432), hostname);
    for (const socket of [client, server]) sockets.push(socket.on('error', () => undefined));
    client.on('data', (chunk: Buffer) => server.write(chunk));
    server.on('data', (chunk: Buffer) => client.write(chunk));
  });
  let url: string;
  beforeAll(async () => {
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
    const target = new URL(app.url);
    target.host = `127.0.0.1:${(proxy.address() as AddressInfo).port}`;
    target.username ||= target.searchParams.get('user') ?? '';
    const schema = target.searchParams.get('schema');
    target.search = schema === null ? '' : `?schema=${encodeURIComponent(schema)}`;
    url = target.href;
  });
  afterAll(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => proxy.close(resolve));
  });

  test.each([
    ['create', ['closing', '--scope', '*']],
    ['rotate', ['closing']],
    ['rotate', ['closing', '--json']],
  ])('accounts %s %j has already printed the new key, which works', async (command, args) => {
    const child = spawn(process.execPath, [bin, 'accounts', command, ...args], {
      cwd,
      env: { PATH: process.env['PATH'], DATABASE_URL: url },
    });
    try {
      let stdout = '';
      child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
      await waitUntil(() => stdout.endsWith('\n'));
      expect(child.exitCode).toBeNull();
      const [key] = /ga_[\w-]{32}/.exec(stdout)!;
      expect(await sendWith(app, { 'X-APIKEY': key })).toStrictEqual([200, undefined]);
    } finally {
      child.kill('SIGKILL');
    }
  });
});
