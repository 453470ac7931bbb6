import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from '@jest/globals';
import { encodeAttribute, type Attribute } from '../../src/radius/attributes.ts';
import { createNasClient } from '../../src/radius/nas-client.ts';
import { decodeResponse, encodeRequest, packetCodes, type EncodedRequest } from '../../src/radius/packet.ts';
import { writeCapture } from '../support/capture.ts';
import { acknowledge, reject, type NasRequest } from '../support/nas.ts';
import { createTestFolder } from '../support/test-folder.ts';
import { waitUntil } from '../support/wait-until.ts';

// The programs of FreeRADIUS as the other side: `apt-get install freeradius freeradius-utils`.

const isInstalled = (program: string) => spawnSync(program, ['-v']).error === undefined;
const hasTools = isInstalled('radclient') && isInstalled('radsniff');
const hasServer = isInstalled('freeradius');

const secret = 'a shared secret';
const session: readonly Attribute[] = [
  { attribute: 'User-Name', value: 'علی@gold' },
  { attribute: 'NAS-IP-Address', value: '10.0.0.1' },
  { attribute: 'Acct-Session-Id', value: '8f2-"1"' },
];
const plan: readonly Attribute[] = [
  { attribute: 'Mikrotik-Rate-Limit', value: '5M/10M' },
  { attribute: 'WISPr-Bandwidth-Max-Down', value: '10000000' },
  { attribute: 'WISPr-Bandwidth-Max-Up', value: '5000000' },
  { attribute: 'Framed-IP-Address', value: '10.1.0.7' },
  { attribute: 'Framed-IPv6-Address', value: '2001:db8::7' },
  { attribute: 'Framed-Pool', value: 'group-3' },
  { attribute: 'Framed-IPv6-Pool', value: 'group-3' },
  { attribute: 'Session-Timeout', value: '3600' },
];
const cases = [
  ['disconnect', packetCodes.disconnectRequest, session],
  ['coa', packetCodes.coaRequest, [...session, ...plan]],
] as const;

const children: ChildProcess[] = [];
const start = (program: string, args: readonly string[]) => {
  const child = spawn(program, args);
  children.push(child);
  const result = { child, output: '' };
  child.stdout.on('data', (part: Buffer) => (result.output += part.toString()));
  return result;
};
const sockets: Socket[] = [];
const openSocket = async () => {
  const socket = createSocket('udp4').bind(0, '127.0.0.1');
  sockets.push(socket);
  await once(socket, 'listening');
  return { socket, port: socket.address().port };
};
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  for (const socket of sockets.splice(0)) socket.close();
});

/** As radclient reads them, with our Message-Authenticator in front. */
const writeAttributes = (attributes: readonly Attribute[]) =>
  [
    'Message-Authenticator = 0x00',
    ...attributes.map(({ attribute, value }) => `${attribute} = ${quote(attribute, value)}`),
  ].join('\n');
const quote = (name: string, value: string) =>
  /Name|Id$|Rate-Limit|Pool/.test(name) ? JSON.stringify(value) : value;

(hasTools ? describe : describe.skip)('radclient and radsniff', () => {
  test.each(cases)(
    'radclient sends the same %s request, byte for byte, and accepts the response of the tests',
    async (kind, code, attributes) => {
      const { socket, port } = await openSocket();
      const client = start('radclient', ['-x', '-r', '1', '-t', '60', `127.0.0.1:${port}`, kind, secret]);
      client.child.stdin.end(writeAttributes(attributes));
      const [bytes, from] = (await once(socket, 'message')) as [Buffer, RemoteInfo];
      const request = encodeRequest(code, {
        identifier: bytes[1]!,
        attributes: attributes.map(encodeAttribute),
        secret,
      });
      expect(request.bytes.toString('hex')).toBe(bytes.toString('hex'));

      const response = acknowledge({ code, identifier: bytes[1]!, bytes } as NasRequest, secret);
      expect(decodeResponse(response, request, secret)).toStrictEqual({ isAck: true, errorCause: null });
      socket.send(response, from.port, from.address);
      await once(client.child, 'close');
      expect(client.output).toMatch(/Received (Disconnect|CoA)-ACK Id \d+/);
    },
  );

  test('radsniff decodes the requests and a NAK with the names of FreeRADIUS’ dictionaries', async () => {
    const folder = await createTestFolder();
    const [server, nas] = [
      { address: [10, 0, 0, 9], port: 40_000 },
      { address: [10, 0, 0, 1], port: 3799 },
    ];
    const requests = cases.map(([, code, attributes], identifier) =>
      encodeRequest(code, { identifier, attributes: attributes.map(encodeAttribute), secret }),
    );
    const file = join(folder, 'requests.pcap');
    const datagrams = [
      ...requests.map(({ bytes }) => ({ source: server, target: nas, payload: bytes })),
      { source: nas, target: server, payload: reject(requests[1] as unknown as NasRequest, secret, 503) },
    ];
    await writeFile(file, writeCapture(datagrams));
    const sniffer = start('radsniff', ['-I', file, '-p', '3799', '-s', secret, '-x']);
    // Its exit code is 1 in any case.
    await once(sniffer.child, 'close');
    for (const line of [
      '(1) Disconnect-Request Id 0',
      '(2) CoA-Request Id 1',
      'CoA-NAK Id 1',
      'User-Name = "علی@gold"',
      'NAS-IP-Address = 10.0.0.1',
      `Acct-Session-Id = "8f2-\\"1\\""`,
      'Mikrotik-Rate-Limit = "5M/10M"',
      'WISPr-Bandwidth-Max-Down = 10000000',
      'WISPr-Bandwidth-Max-Up = 5000000',
      'Framed-IP-Address = 10.1.0.7',
      'Framed-IPv6-Address = 2001:db8::7',
      'Framed-Pool = "group-3"',
      'Framed-IPv6-Pool = "group-3"',
      'Session-Timeout = 3600',
      'Error-Cause = Session-Context-Not-Found',
    ])
      expect(sniffer.output).toContain(line);
  });
});

(hasServer ? describe : describe.skip)('freeradius as the NAS', () => {
  /** Starts a server that accepts a session and rejects others. Returns its port. */
  const startFreeRadius = async () => {
    const folder = await createTestFolder();
    const { socket, port } = await openSocket();
    socket.close();
    sockets.pop();
    await mkdir(join(folder, 'raddb'));
    await writeFile(
      join(folder, 'raddb', 'radiusd.conf'),
      `prefix = /usr
libdir = /usr/lib/freeradius
logdir = ${folder}
run_dir = ${folder}
client nas {
  ipaddr = 127.0.0.1
  secret = "${secret}"
  require_message_authenticator = yes
}
modules {
  always ok {
    rcode = ok
  }
  always reject {
    rcode = reject
  }
}
server nas {
  listen {
    type = coa
    ipaddr = 127.0.0.1
    port = ${port}
  }
  recv-coa {
    if (&User-Name == 'known' && &Acct-Session-Id == 's1') {
      ok
    }
    else {
      update reply {
        &Error-Cause := Session-Context-Not-Found
      }
      reject
    }
  }
  send-coa {
    ok
  }
}
`,
    );
    const server = start('freeradius', ['-X', '-d', join(folder, 'raddb')]);
    await waitUntil(() => {
      if (server.child.exitCode !== null) throw new Error(server.output);
      return server.output.includes('Ready to process requests');
    });
    return { port, server };
  };

  test('freeradius verifies both authenticators; its ACK and NAK are valid, and a request with another secret has no response', async () => {
    const { port, server } = await startFreeRadius();
    const client = createNasClient({ port, timeoutMs: 1000, onSocketError: () => undefined });
    const send = (username: string, key: string, request: EncodedRequest['code']) =>
      client.send(
        { address: '127.0.0.1', secret: key },
        request,
        [
          { attribute: 'User-Name', value: username },
          { attribute: 'NAS-IP-Address', value: '127.0.0.1' },
          { attribute: 'Acct-Session-Id', value: 's1' },
          ...(request === packetCodes.coaRequest ? plan : []),
        ],
        new AbortController().signal,
      );
    try {
      for (const code of [packetCodes.disconnectRequest, packetCodes.coaRequest]) {
        expect(await send('known', secret, code)).toStrictEqual({ isAck: true, errorCause: null });
        expect(await send('unknown', secret, code)).toStrictEqual({ isAck: false, errorCause: 503 });
        expect(await send('known', 'another', code)).toBeUndefined();
      }
      expect(server.output).toContain('Mikrotik-Rate-Limit = "5M/10M"');
    } finally {
      client.close();
    }
  });
});
