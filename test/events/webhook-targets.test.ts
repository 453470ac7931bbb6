import { createServer } from 'node:net';
import type { AddressInfo, Server } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Resolve } from '../../src/events/webhooks/resolve-target.ts';
import { createAttemptSender } from '../../src/events/webhooks/send-attempt.ts';
import { openBlackHole } from '../support/black-hole.ts';
import { createCommandLine } from '../support/command-line.ts';
import { createTestDatabase, type TestDatabase } from '../support/test-database.ts';
import { openReceiver } from '../support/webhook-receiver.ts';

/** Hosts that are no public address, in each spelling that WHATWG URL accepts. */
const rejectedHosts = [
  ['127.0.0.1', 'loopback'],
  ['127.1', 'loopback'],
  ['127.0.1', 'loopback'],
  ['0x7f.1', 'loopback'],
  ['0x7f000001', 'loopback'],
  ['2130706433', 'loopback'],
  ['017700000001', 'loopback'],
  ['0177.0.0.1', 'loopback'],
  ['127.0.0.1.', 'loopback'],
  ['127.255.255.254', 'loopback'],
  ['１２７.０.０.１', 'loopback'],
  ['127%2E0.0.1', 'loopback'],
  ['0.0.0.0', 'this network'],
  ['0', 'this network'],
  ['0x0', 'this network'],
  ['10.0.0.1', 'private'],
  ['10.1', 'private'],
  ['0x0a000001', 'private'],
  ['172.16.0.1', 'private'],
  ['172.31.255.255', 'private'],
  ['192.168.1.1', 'private'],
  ['192.168.257', 'private'],
  ['3232235777', 'private'],
  ['168.63.129.16', 'the platform of Azure'],
  ['100.64.0.1', 'shared address space'],
  ['100.127.255.255', 'shared address space'],
  ['169.254.169.254', 'link-local'],
  ['0xa9fea9fe', 'link-local'],
  ['0251.0376.0251.0376', 'link-local'],
  ['192.0.0.8', 'protocol assignments'],
  ['192.0.2.1', 'documentation'],
  ['198.51.100.1', 'documentation'],
  ['203.0.113.1', 'documentation'],
  ['198.18.0.1', 'benchmarking'],
  ['198.19.255.255', 'benchmarking'],
  ['192.88.99.1', '6to4 relay'],
  ['224.0.0.1', 'multicast'],
  ['239.255.255.255', 'multicast'],
  ['240.0.0.1', 'reserved or broadcast'],
  ['255.255.255.255', 'reserved or broadcast'],
  ['[::1]', 'outside of 2000::/3'],
  ['[0:0:0:0:0:0:0:1]', 'outside of 2000::/3'],
  ['[::]', 'outside of 2000::/3'],
  ['[::ffff:127.0.0.1]', 'loopback'],
  ['[::ffff:7f00:1]', 'loopback'],
  ['[0:0:0:0:0:ffff:a00:1]', 'private'],
  ['[::ffff:8.8.8.8]', 'outside of 2000::/3'],
  ['[::127.0.0.1]', 'outside of 2000::/3'],
  ['[64:ff9b::7f00:1]', 'outside of 2000::/3'],
  ['[64:ff9b:1::1]', 'outside of 2000::/3'],
  ['[100::1]', 'outside of 2000::/3'],
  ['[2001::1]', 'protocol assignments, such as Teredo'],
  ['[2001:db8::1]', 'documentation'],
  ['[2002:7f00:1::]', '6to4'],
  ['[3fff::1]', 'documentation'],
  ['[5f00::1]', 'outside of 2000::/3'],
  ['[fc00::1]', 'outside of 2000::/3'],
  ['[fd00::1]', 'outside of 2000::/3'],
  ['[fd00:ec2::254]', 'outside of 2000::/3'],
  ['[fe80::1]', 'outside of 2000::/3'],
  ['[fec0::1]', 'outside of 2000::/3'],
  ['[ff02::1]', 'outside of 2000::/3'],
] as const;

let database: TestDatabase;
let listener: Server;
let port: number;
let connections = 0;
beforeAll(async () => {
  database = await createTestDatabase();
  listener = createServer((socket) => {
    connections++;
    socket.destroy();
  });
  await new Promise<void>((resolve) => listener.listen(0, '0.0.0.0', resolve));
  port = (listener.address() as AddressInfo).port;
});
afterAll(async () => {
  await new Promise((resolve) => listener.close(resolve));
  await database.drop();
});

const { run, environment } = createCommandLine(() => database);
const strict = { allowedNetworks: [], allowsHttp: true };
const secrets = ['whsec_c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0'];
const message = { id: 'one', body: '{}', secrets };
const resolveTo =
  (...addresses: string[]): Resolve =>
  async () =>
    addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }));

describe('an attempt', () => {
  test(`opens no connection to any of ${rejectedHosts.length} addresses that are not public, as a literal or as the address of a name`, async () => {
    connections = 0;
    for (const [host, kind] of rejectedHosts) {
      const literal = createAttemptSender(strict, () => Promise.reject(new Error('no name')));
      const url = `http://${host}:${port}/`;
      const result = await literal.send({ url, ...message });
      expect([host, result.isSuccess, result.status]).toStrictEqual([host, false, null]);
      expect(result.error).toContain(`is not a public address (${kind})`);

      const address = new URL(url).hostname.replace(/^\[(.*)\]$/, '$1');
      const named = createAttemptSender(strict, resolveTo('8.8.8.8', address));
      const { error } = await named.send({ url: `http://panel.example:${port}/`, ...message });
      expect(error).toContain(
        `panel.example has the address ${address}, which is not a public address (${kind})`,
      );
    }
    expect(connections).toBe(0);
  });

  test('connects to the address that was checked: the name is resolved once, and not again by the connection', async () => {
    connections = 0;
    const answers = [['127.0.0.1'], ['169.254.169.254']];
    let resolutions = 0;
    const rebinding: Resolve = async () => {
      const addresses = answers[Math.min(resolutions++, answers.length - 1)]!;
      return addresses.map((address) => ({ address, family: 4 }));
    };
    const receiver = await openReceiver();
    const sender = createAttemptSender({ allowedNetworks: ['127.0.0.1/32'], allowsHttp: true }, rebinding);
    const url = receiver.url.replace('127.0.0.1', 'panel.example');
    expect(await sender.send({ url, ...message })).toMatchObject({ isSuccess: true, status: 204 });
    expect(resolutions).toBe(1);
    expect(receiver.received[0]!.headers['host']).toBe(new URL(url).host);
    // The next attempt is checked again, although a connection to the old address is open.
    expect((await sender.send({ url, ...message })).error).toContain(
      '169.254.169.254, which is not a public address',
    );
    expect(receiver.received).toHaveLength(1);
    sender.close();
    await receiver.close();
  });

  test('tries the next address of the name if no connection can be opened', async () => {
    const receiver = await openReceiver();
    const resolve = resolveTo('127.0.0.2', '127.0.0.1');
    const sender = createAttemptSender({ allowedNetworks: ['127.0.0.0/8'], allowsHttp: true }, resolve);
    const url = receiver.url.replace('127.0.0.1', 'panel.example');
    expect(await sender.send({ url, ...message })).toMatchObject({ isSuccess: true });
    sender.close();
    await receiver.close();
  });

  test('gives up an address that drops connections after 4 seconds, and tries the next one, which the next attempt tries first', async () => {
    const hole = await openBlackHole('127.0.0.2');
    const receiver = await openReceiver('127.0.0.3', hole.port);
    const resolve = resolveTo(hole.address, '127.0.0.3');
    const sender = createAttemptSender({ allowedNetworks: ['127.0.0.0/8'], allowsHttp: true }, resolve);
    const send = async () => {
      const startedAt = performance.now();
      const result = await sender.send({ url: `http://panel.example:${hole.port}/`, ...message });
      return { result, seconds: (performance.now() - startedAt) / 1000 };
    };
    const first = await send();
    expect(first.result).toMatchObject({ isSuccess: true, status: 204 });
    expect(first.seconds).toBeGreaterThan(3.9);
    const second = await send();
    expect(second.result).toMatchObject({ isSuccess: true, status: 204 });
    expect(second.seconds).toBeLessThan(3.9);
    expect(receiver.received).toHaveLength(2);
    sender.close();
    await Promise.all([receiver.close(), hole.close()]);
  });

  test('does not follow a redirect to another address, and honors no proxy variable', async () => {
    connections = 0;
    const receiver = await openReceiver();
    receiver.reply = () => ({ status: 307, headers: { Location: `http://127.0.0.1:${port}/` } });
    const proxy = `http://127.0.0.1:${port}`;
    const names = ['http_proxy', 'HTTP_PROXY', 'all_proxy', 'NODE_USE_ENV_PROXY'];
    for (const name of names) process.env[name] = name === 'NODE_USE_ENV_PROXY' ? '1' : proxy;
    const sender = createAttemptSender(
      { allowedNetworks: ['127.0.0.0/8'], allowsHttp: true },
      resolveTo('127.0.0.1'),
    );
    try {
      expect(await sender.send({ url: receiver.url, ...message })).toMatchObject({
        isSuccess: false,
        status: 307,
      });
    } finally {
      for (const name of names) delete process.env[name];
    }
    expect([receiver.received.length, connections]).toStrictEqual([1, 0]);
    sender.close();
    await receiver.close();
  });
});

describe('webhooks create', () => {
  test.each([
    ['http://panel.example/', 'url must start with https://; WEBHOOK_ALLOW_HTTP=true allows http://'],
    ['ftp://panel.example/', 'url must start with https://, not ftp:'],
    ['file:///etc/passwd', 'url must start with https://, not file:'],
    ['https://user:secret@panel.example/', 'url must not contain a user name or a password'],
    ['https://127.1/', '127.0.0.1 is not a public address (loopback); WEBHOOK_ALLOWED_NETWORKS allows'],
    ['https://2130706433/', '127.0.0.1 is not a public address (loopback)'],
    ['https://[::ffff:127.0.0.1]/', '::ffff:7f00:1 is not a public address (loopback)'],
    ['https://169.254.169.254/latest', '169.254.169.254 is not a public address (link-local)'],
    ['https://localhost/', 'localhost has the address'],
    ['https://256.1.1.1/', 'url must be a URL'],
    ['//panel.example/', 'url must be a URL'],
    [`https://panel.example/${'x'.repeat(2000)}`, 'url must have at most 2000 characters'],
  ])('%s is rejected with the reason, and nothing is stored', async (url, reason) => {
    const { code, stdout, stderr } = await run('webhooks', 'create', url);
    expect([code, stdout]).toStrictEqual([1, '']);
    expect(stderr).toContain(reason);
    expect(await database.sql('SELECT FROM webhook_endpoints')).toStrictEqual([]);
  });

  test('public addresses are accepted, and those of WEBHOOK_ALLOWED_NETWORKS', async () => {
    const creates = async (url: string) => (await run('webhooks', 'create', url, '--json')).code;
    expect(await creates('https://8.8.8.8/hooks')).toBe(0);
    expect(await creates('https://[2606:4700::1111]/hooks')).toBe(0);
    expect(await creates('https://8.8.8.8/%ff')).toBe(0);
    expect(await creates('https://10.1.2.3/hooks')).toBe(1);
    environment['WEBHOOK_ALLOWED_NETWORKS'] = '10.0.0.0/8,fd00::/8';
    expect(await creates('https://10.1.2.3/hooks')).toBe(0);
    expect(await creates('https://[fd00::1]/hooks')).toBe(0);
    expect(await creates('https://192.168.0.1/hooks')).toBe(1);
    delete environment['WEBHOOK_ALLOWED_NETWORKS'];
  });
});
