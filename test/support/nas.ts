import { createHash, createHmac } from 'node:crypto';
import { createSocket, type RemoteInfo } from 'node:dgram';
import { once } from 'node:events';
import { createTestDatabase, type TestDatabase } from './test-database.ts';

// A network device (NAS) of the tests: a UDP socket, with a separate implementation of the format of RFC 2865.

/** A request that the device has received. */
export type NasRequest = {
  readonly code: number;
  readonly identifier: number;
  readonly bytes: Buffer;
  /** The values by the names below, as texts. */
  readonly attributes: Readonly<Record<string, string>>;
  /** Whether both authenticators are those of the secret. */
  readonly isAuthentic: boolean;
  readonly receivedAt: number;
  /** The socket of the server. */
  readonly source: Pick<RemoteInfo, 'address' | 'port'>;
};

/** Returns the datagrams of the response; none is silence. */
type Respond = (request: NasRequest) => readonly Buffer[];

export type TestNas = {
  readonly address: string;
  readonly port: number;
  readonly secret: string;
  readonly requests: NasRequest[];
  respond: Respond;
  close(): Promise<void>;
};

const names: Readonly<Record<string, string>> = {
  '1': 'User-Name',
  '4': 'NAS-IP-Address',
  '8': 'Framed-IP-Address',
  '27': 'Session-Timeout',
  '44': 'Acct-Session-Id',
  '80': 'Message-Authenticator',
  '88': 'Framed-Pool',
  '95': 'NAS-IPv6-Address',
  '26.14988.8': 'Mikrotik-Rate-Limit',
  '26.14122.7': 'WISPr-Bandwidth-Max-Up',
  '26.14122.8': 'WISPr-Bandwidth-Max-Down',
};
const texts = ['User-Name', 'Acct-Session-Id', 'Framed-Pool', 'Mikrotik-Rate-Limit'];
const addresses = ['NAS-IP-Address', 'Framed-IP-Address'];
const numbers = ['Session-Timeout', 'WISPr-Bandwidth-Max-Up', 'WISPr-Bandwidth-Max-Down'];

/** Opens a device, which confirms every request until `respond` is replaced. */
export async function openNas({
  address = '127.0.0.1',
  port = 0,
  secret = 'a secret of the NAS',
}: Partial<TestNas> = {}): Promise<TestNas> {
  const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4');
  socket.bind(port, address);
  await once(socket, 'listening');
  // A file opens it for all of its tests, and has nothing to wait for after them.
  socket.unref();
  const requests: NasRequest[] = [];
  const nas: TestNas = {
    address,
    port: socket.address().port,
    secret,
    requests,
    respond: (request) => [acknowledge(request, secret)],
    async close() {
      socket.close();
      await once(socket, 'close');
    },
  };
  socket.on('message', (bytes: Buffer, from: RemoteInfo) => {
    const request = readRequest(bytes, secret, from);
    requests.push(request);
    for (const response of nas.respond(request)) socket.send(response, from.port, from.address);
  });
  return nas;
}

function readRequest(bytes: Buffer, secret: string, { address, port }: RemoteInfo): NasRequest {
  const attributes: Record<string, string> = {};
  const withoutAuthenticators = Buffer.from(bytes).fill(0, 4, 20);
  const withoutAuthenticator = Buffer.from(withoutAuthenticators);
  let messageAuthenticator = '';
  for (let offset = 20; offset < bytes.length; offset += bytes[offset + 1]!) {
    let [type, value] = [String(bytes[offset]), bytes.subarray(offset + 2, offset + bytes[offset + 1]!)];
    if (type === '26') [type, value] = [`26.${value.readUInt32BE()}.${value[4]}`, value.subarray(6)];
    const name = names[type] ?? type;
    if (name === 'Message-Authenticator') {
      messageAuthenticator = value.toString('hex');
      withoutAuthenticators.fill(0, offset + 2, offset + 18);
    }
    attributes[name] = texts.includes(name)
      ? value.toString()
      : addresses.includes(name)
        ? value.join('.')
        : numbers.includes(name)
          ? String(value.readUInt32BE())
          : value.toString('hex');
  }
  const hmac = createHmac('md5', secret).update(withoutAuthenticators).digest('hex');
  const md5 = createHash('md5').update(withoutAuthenticator).update(secret).digest('hex');
  const isAuthentic = hmac === messageAuthenticator && md5 === bytes.toString('hex', 4, 20);
  const { [0]: code, [1]: identifier } = bytes;
  const receivedAt = performance.now();
  const source = { address, port };
  return { code: code!, identifier: identifier!, bytes, attributes, isAuthentic, receivedAt, source };
}

/** Returns an ACK. */
export function acknowledge({ code, identifier, bytes }: NasRequest, secret: string): Buffer {
  return signResponse(code + 1, identifier, Buffer.alloc(0), { request: bytes, secret });
}

/** Returns a NAK with an Error-Cause, or without. */
export function reject({ code, identifier, bytes }: NasRequest, secret: string, cause?: number): Buffer {
  const attribute =
    cause === undefined ? Buffer.alloc(0) : Buffer.from([101, 6, 0, 0, cause >> 8, cause & 0xff]);
  return signResponse(code + 2, identifier, attribute, { request: bytes, secret });
}

/** Returns a response with a Message-Authenticator in front of the attributes. */
export function signResponse(
  code: number,
  identifier: number,
  attributes: Buffer,
  { request, secret }: { request: Buffer; secret: string },
): Buffer {
  const bytes = Buffer.concat([
    Buffer.from([code, identifier, 0, 0]),
    request.subarray(4, 20),
    Buffer.from([80, 18]),
    Buffer.alloc(16),
    attributes,
  ]);
  bytes.writeUInt16BE(bytes.length, 2);
  createHmac('md5', secret).update(bytes).digest().copy(bytes, 22);
  createHash('md5').update(bytes).update(secret).digest().copy(bytes, 4);
  return bytes;
}

/** Creates a database with the tables of FreeRADIUS that the server reads, as far as it reads them. */
export async function createAccountingDatabase(
  nas: readonly Pick<TestNas, 'address' | 'secret'>[],
): Promise<TestDatabase> {
  const database = await createTestDatabase();
  await database.sql(
    `CREATE SCHEMA freeradius;
     CREATE TABLE freeradius.radacct (
       radacctid bigserial PRIMARY KEY, acctsessionid text NOT NULL, acctuniqueid text NOT NULL UNIQUE, username text,
       nasipaddress inet NOT NULL, acctstarttime timestamptz, acctstoptime timestamptz, framedipaddress inet);
     CREATE TABLE freeradius.nas (
       id serial PRIMARY KEY, nasname text NOT NULL, shortname text NOT NULL DEFAULT '', ports integer, secret text NOT NULL)`,
  );
  for (const { address, secret } of nas)
    await database.sql('INSERT INTO freeradius.nas (nasname, secret) VALUES ($1, $2)', [address, secret]);
  return database;
}

/** Opens a session in the accounting. Its Acct-Session-Id is that of `id`. */
export async function openSession(
  database: Pick<TestDatabase, 'sql'>,
  username: string,
  {
    id = username,
    nas = '127.0.0.1',
    framedAddress = null,
  }: { id?: string; nas?: string; framedAddress?: string | null } = {},
): Promise<void> {
  await database.sql(
    `INSERT INTO freeradius.radacct (acctsessionid, acctuniqueid, username, nasipaddress, acctstarttime, framedipaddress)
     VALUES ($1, md5($1), $2, $3, now(), $4)`,
    [id, username, nas, framedAddress],
  );
}
