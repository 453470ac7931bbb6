import { createHash, createHmac } from 'node:crypto';
import { expect, test } from '@jest/globals';
import { encodeAttribute, type AttributeName } from '../../src/radius/attributes.ts';
import { decodeResponse, encodeRequest, packetCodes, type EncodedRequest } from '../../src/radius/packet.ts';
import { acknowledge, reject, signResponse, type NasRequest } from '../support/nas.ts';

const secret = 'xyzzy5461';
const hex = (text: string) => Buffer.from(text.replaceAll(/\s/g, ''), 'hex');

test.each([
  [
    '7.1, User Telnet to Specified Host',
    `01 00 00 38 0f 40 3f 94 73 97 80 57 bd 83 d5 cb 98 f4 22 7a 01 06 6e 65 6d 6f 02 12 0d be 70 8d
     93 d4 13 ce 31 96 e4 3f 78 2a 0a ee 04 06 c0 a8 01 10 05 06 00 00 00 03`,
    `02 00 00 26 86 fe 22 0e 76 24 ba 2a 10 05 f6 bf 9b 55 e0 b2 06 06 00 00 00 01 0f 06 00 00 00 00
     0e 06 c0 a8 01 03`,
  ],
  [
    '7.2, Framed User Authenticating with CHAP',
    `01 01 00 47 2a ee 86 f0 8d 0d 55 96 9c a5 97 8e 0d 33 67 a2 01 08 66 6c 6f 70 73 79 03 13 16 e9
     75 57 c3 16 18 58 95 f2 93 ff 63 44 07 72 75 04 06 c0 a8 01 10 05 06 00 00 00 14 06 06 00 00 00
     02 07 06 00 00 00 01`,
    `02 01 00 38 15 ef bc 7d ab 26 cf a3 dc 34 d9 c0 3c 86 01 a4 06 06 00 00 00 02 07 06 00 00 00 01
     08 06 ff ff ff fe 0a 06 00 00 00 02 0d 06 00 00 00 01 0c 06 00 00 05 dc`,
  ],
])(
  'the response of RFC 2865 section %s is valid, and with another secret or byte it is not',
  (_, sent, received) => {
    const bytes = hex(sent);
    const request = { code: bytes[0], identifier: bytes[1], bytes } as unknown as EncodedRequest;
    const response = hex(received);
    expect(decodeResponse(response, request, secret)).toStrictEqual({ isAck: true, errorCause: null });
    expect(decodeResponse(response, request, 'another')).toBeUndefined();
    for (let index = 0; index < response.length; index++) {
      const changed = Buffer.from(response);
      changed[index]! ^= 1;
      // A different length is a different packet, unless it is longer than the datagram.
      expect([index, decodeResponse(changed, request, secret)]).toStrictEqual([index, undefined]);
    }
  },
);

const attributes = [encodeAttribute({ attribute: 'User-Name', value: 'ali' })];
const request = encodeRequest(packetCodes.disconnectRequest, { identifier: 7, attributes, secret });
const asReceived = { ...request, code: 40, attributes: {}, isAuthentic: true } as unknown as NasRequest;

test('a request has the length, the Message-Authenticator in front, and the authenticators that a device computes', () => {
  expect(request.bytes.toString('hex')).toMatch(/^2807002b.{32}5012.{32}0105616c69$/);
  const zeros = Buffer.from(request.bytes).fill(0, 4, 20);
  expect(request.bytes.toString('hex', 4, 20)).toBe(
    createHash('md5').update(zeros).update(secret).digest('hex'),
  );
  const withoutBoth = Buffer.from(zeros).fill(0, 22, 38);
  expect(request.bytes.toString('hex', 22, 38)).toBe(
    createHmac('md5', secret).update(withoutBoth).digest('hex'),
  );
});

test.each([
  ['an ACK', acknowledge(asReceived, secret), { isAck: true, errorCause: null }],
  ['a NAK with its Error-Cause', reject(asReceived, secret, 503), { isAck: false, errorCause: 503 }],
  ['a NAK without Error-Cause', reject(asReceived, secret), { isAck: false, errorCause: null }],
  [
    'a NAK with an Error-Cause above those that exist',
    signResponse(42, 7, Buffer.from([101, 6, 0xf7, 1, 0, 0]), { request: request.bytes, secret }),
    { isAck: false, errorCause: null },
  ],
  [
    'an ACK with padding after its length',
    Buffer.concat([acknowledge(asReceived, secret), Buffer.alloc(9)]),
    { isAck: true, errorCause: null },
  ],
])('%s is a valid response', (_, response, expected) => {
  expect(decodeResponse(response, request, secret)).toStrictEqual(expected);
});

/** Signs a packet again after a change, so that only the change can be the reason to drop it. */
function resign(change: (bytes: Buffer) => Buffer): Buffer {
  const bytes = change(Buffer.from(acknowledge(asReceived, secret)));
  request.bytes.copy(bytes, 4, 4, 20);
  createHash('md5').update(bytes).update(secret).digest().copy(bytes, 4);
  return bytes;
}

const withLength = (bytes: Buffer, length: number) => {
  bytes.writeUInt16BE(length, 2);
  return bytes;
};

test.each([
  ['nothing', Buffer.alloc(0)],
  ['a header that is cut off', acknowledge(asReceived, secret).subarray(0, 19)],
  ['a packet that is cut off', acknowledge(asReceived, secret).subarray(0, 30)],
  ['a length below that of the header', resign((bytes) => withLength(bytes, 19))],
  ['a length above that of the datagram', resign((bytes) => withLength(bytes, 4096))],
  ['a length above 4,096', resign((bytes) => withLength(Buffer.concat([bytes, Buffer.alloc(5000)]), 5000))],
  [
    'the response of another request',
    signResponse(44, 7, Buffer.alloc(0), { request: request.bytes, secret }),
  ],
  ['another identifier', signResponse(41, 8, Buffer.alloc(0), { request: request.bytes, secret })],
  [
    'a response to an older request',
    signResponse(41, 7, Buffer.alloc(0), { request: Buffer.alloc(20), secret }),
  ],
  ['another secret', acknowledge(asReceived, 'another')],
  ['a wrong Message-Authenticator', resign((bytes) => bytes.fill(1, 22, 38))],
  ['a short Message-Authenticator', resign((bytes) => withLength(bytes.fill(4, 21, 22).subarray(0, 24), 24))],
  ['an attribute of length 0', resign((bytes) => bytes.fill(0, 21, 22))],
  ['an attribute of length 1', resign((bytes) => bytes.fill(1, 21, 22))],
  ['an attribute that exceeds the packet', resign((bytes) => bytes.fill(19, 21, 22))],
  ['an attribute without length', resign((bytes) => withLength(bytes.subarray(0, 21), 21))],
  [
    'an Error-Cause of one byte',
    signResponse(42, 7, Buffer.from([101, 3, 1]), { request: request.bytes, secret }),
  ],
])('a datagram is dropped: %s', (_, datagram) => {
  expect(decodeResponse(datagram, request, secret)).toBeUndefined();
});

test.each([
  ['User-Name', 'علی', '0108d8b9d984db8c'],
  ['NAS-IP-Address', '10.0.0.254', '04060a0000fe'],
  ['NAS-IPv6-Address', '2001:db8::1:0:0', '5f1220010db8000000000000000100000000'],
  ['NAS-IPv6-Address', '::ffff:1.2.3.4', '5f1200000000000000000000ffff01020304'],
  ['NAS-IPv6-Address', '::', `5f12${'0'.repeat(32)}`],
  ['Session-Timeout', '4294967295', '1b06ffffffff'],
  ['Mikrotik-Rate-Limit', '5M/10M', '1a0e00003a8c0808354d2f31304d'],
  ['WISPr-Bandwidth-Max-Down', '10000000', '1a0c0000372a080600989680'],
] as const)('%s with the value %s is encoded', (attribute, value, expected) => {
  expect(encodeAttribute({ attribute, value }).toString('hex')).toBe(expected);
});

test.each<[AttributeName, string]>([
  ['User-Name', ''],
  ['User-Name', 'x'.repeat(254)],
  ['Mikrotik-Rate-Limit', 'x'.repeat(248)],
  ['NAS-IP-Address', '10.0.0.256'],
  ['NAS-IP-Address', '::1'],
  ['NAS-IPv6-Address', 'fe80::1%eth0'],
  ['Session-Timeout', '4294967296'],
  ['Session-Timeout', '-1'],
  ['Session-Timeout', '1.5'],
])('%s cannot have the value %s', (attribute, value) => {
  expect(() => encodeAttribute({ attribute, value })).toThrow(RangeError);
});

test('a packet has at most 4,096 bytes', () => {
  const many = Array.from({ length: 17 }, () =>
    encodeAttribute({ attribute: 'User-Name', value: 'x'.repeat(253) }),
  );
  expect(() => encodeRequest(packetCodes.coaRequest, { identifier: 0, attributes: many, secret })).toThrow(
    'at most 4096 bytes, not 4373',
  );
});
