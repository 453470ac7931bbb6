import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { attributeCodes } from './attributes.ts';

/**
 * The packets of RFC 5176 (Dynamic Authorization), in the format of RFC 2865 section 3: code, identifier, length,
 * authenticator, attributes.
 */
export const packetCodes = {
  disconnectRequest: 40,
  disconnectAck: 41,
  disconnectNak: 42,
  coaRequest: 43,
  coaAck: 44,
  coaNak: 45,
} as const;

/** A request to the client of a session, the NAS. */
export type RequestCode = typeof packetCodes.disconnectRequest | typeof packetCodes.coaRequest;

/** What a NAS has responded. */
export type NasResponse = {
  readonly isAck: boolean;
  /** The reason of a NAK, RFC 5176 section 3.5; null if the NAS names none, or one above those that exist. */
  readonly errorCause: number | null;
};

/** A request as it is sent, and sent again. */
export type EncodedRequest = {
  readonly code: RequestCode;
  readonly identifier: number;
  readonly bytes: Buffer;
};

/** Those of RFC 5176 are below 600: a NAS that sends the bytes in the wrong order exceeds this. */
const maxErrorCause = 65_535;
const headerLength = 20;
const authenticatorLength = 16;
/** RFC 2865, section 3. */
const maxPacketLength = 4096;
const identifierOffset = 1;
const lengthOffset = 2;
const authenticatorOffset = 4;

/**
 * Encodes and signs a request. The Message-Authenticator (RFC 2869, section 5.14) is the first attribute, and is
 * computed with a Request Authenticator of zeros before that one, which RFC 5176, section 2.3, computes as RFC 2866:
 * the MD5 of the packet with zeros, and the secret. @throws RangeError if the packet would be longer than 4,096 bytes
 */
export function encodeRequest(
  code: RequestCode,
  { identifier, attributes, secret }: { identifier: number; attributes: readonly Buffer[]; secret: string },
): EncodedRequest {
  const messageAuthenticator = Buffer.alloc(2 + authenticatorLength);
  messageAuthenticator[0] = attributeCodes.messageAuthenticator;
  messageAuthenticator[1] = messageAuthenticator.length;
  const bytes = Buffer.concat([Buffer.alloc(headerLength), messageAuthenticator, ...attributes]);
  if (bytes.length > maxPacketLength)
    throw new RangeError(`a packet has at most ${maxPacketLength} bytes, not ${bytes.length}`);
  bytes[0] = code;
  bytes[identifierOffset] = identifier;
  bytes.writeUInt16BE(bytes.length, lengthOffset);
  hmac(bytes, secret).copy(bytes, headerLength + 2);
  md5(bytes, secret).copy(bytes, authenticatorOffset);
  return { code, identifier, bytes };
}

/**
 * Decodes the response to a request. Returns undefined, so that it is dropped, unless it is well-formed, belongs to the
 * request, and has the authenticators that only the owner of the secret can compute.
 */
export function decodeResponse(
  datagram: Buffer,
  request: EncodedRequest,
  secret: string,
): NasResponse | undefined {
  if (datagram.length < headerLength) return undefined;
  const length = datagram.readUInt16BE(lengthOffset);
  // Bytes after the length are padding: RFC 2865, section 3.
  if (length < headerLength || length > maxPacketLength || length > datagram.length) return undefined;
  const bytes = Buffer.from(datagram.subarray(0, length));
  const isAck = bytes[0] === request.code + 1;
  if (!isAck && bytes[0] !== request.code + 2) return undefined;
  if (bytes[identifierOffset] !== request.identifier) return undefined;

  const authenticator = replaceAuthenticator(bytes, readAuthenticator(request.bytes));
  if (!timingSafeEqual(md5(bytes, secret), authenticator)) return undefined;
  const attributes = readAttributes(bytes);
  if (!attributes) return undefined;
  const ofType = (type: number) => attributes.filter((attribute) => attribute.type === type);
  for (const { value } of ofType(attributeCodes.messageAuthenticator)) {
    if (value.length !== authenticatorLength) return undefined;
    const expected = Buffer.from(value);
    value.fill(0);
    if (!timingSafeEqual(hmac(bytes, secret), expected)) return undefined;
  }
  const [cause] = ofType(attributeCodes.errorCause);
  if (cause && cause.value.length !== 4) return undefined;
  const errorCause = cause?.value.readUInt32BE() ?? null;
  return { isAck, errorCause: errorCause !== null && errorCause > maxErrorCause ? null : errorCause };
}

/** An attribute of a packet; `value` is a part of the packet. */
type RawAttribute = { readonly type: number; readonly value: Buffer };

/** Reads the attributes of a packet with a valid length; undefined if one exceeds the packet. */
function readAttributes(bytes: Buffer): RawAttribute[] | undefined {
  const attributes: RawAttribute[] = [];
  for (let offset = headerLength; offset < bytes.length;) {
    const length = bytes[offset + 1];
    if (length === undefined || length < 2 || offset + length > bytes.length) return undefined;
    attributes.push({ type: bytes[offset]!, value: bytes.subarray(offset + 2, offset + length) });
    offset += length;
  }
  return attributes;
}

function readAuthenticator(bytes: Buffer): Buffer {
  return Buffer.from(bytes.subarray(authenticatorOffset, headerLength));
}

/** Writes the authenticator of a packet, and returns the one before. */
function replaceAuthenticator(bytes: Buffer, authenticator: Buffer): Buffer {
  const before = readAuthenticator(bytes);
  authenticator.copy(bytes, authenticatorOffset);
  return before;
}

function md5(bytes: Buffer, secret: string): Buffer {
  return createHash('md5').update(bytes).update(secret).digest();
}

function hmac(bytes: Buffer, secret: string): Buffer {
  return createHmac('md5', secret).update(bytes).digest();
}
