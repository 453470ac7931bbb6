import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { expect, test } from '@jest/globals';
import { createCommandLine } from '../support/command-line.ts';
import { createTestDatabase } from '../support/test-database.ts';

const fileOf = (name: string) => fileURLToPath(new URL(`../support/certificates/${name}`, import.meta.url));

test('an event is sent over TLS with the name in SNI and Host; a certificate of an unknown authority is rejected', async () => {
  const database = await createTestDatabase();
  const requests: unknown[] = [];
  const server = createServer(
    { cert: readFileSync(fileOf('first.crt')), key: readFileSync(fileOf('first.key')) },
    (request, response) => {
      const { servername } = request.socket as unknown as { servername: unknown };
      requests.push([servername, request.headers.host]);
      response.writeHead(200).end('thanks');
    },
  );
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  try {
    // NODE_EXTRA_CA_CERTS is read at the start of a process only.
    const { run, environment } = createCommandLine(() => database, { isProcess: true });
    environment['WEBHOOK_ALLOWED_NETWORKS'] = '127.0.0.0/8,::1/128';
    const created = await run('webhooks', 'create', `https://localhost:${port}/hooks`, '--json');
    expect(created.stderr).toBe('');
    const { id } = JSON.parse(created.stdout);
    const rejected = await run('webhooks', 'test', String(id));
    expect([rejected.code, rejected.stderr]).toStrictEqual([
      1,
      expect.stringContaining('self-signed certificate'),
    ]);
    expect(requests).toStrictEqual([]);

    environment['NODE_EXTRA_CA_CERTS'] = fileOf('first.crt');
    const { stdout, stderr } = await run('webhooks', 'test', String(id), '--json');
    expect(stderr).toBe('');
    expect(JSON.parse(stdout)).toMatchObject({ status: 200, body: 'thanks', error: null });
    expect(requests).toStrictEqual([['localhost', `localhost:${port}`]]);
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    await database.drop();
  }
});
