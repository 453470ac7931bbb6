import { isIP } from 'node:net';

/** Attributes of packets that no plan has. */
export const attributeCodes = { messageAuthenticator: 80, errorCause: 101 } as const;

/** RFC 2865, section 5.26. */
const vendorSpecific = 26;
/** Of a value, RFC 2865, section 5. */
const maxValueLength = 253;
/** The vendor's number, type and length precede the value. */
const vendorHeaderLength = 6;

const mikrotik = 14988;
const wispr = 14122;

type ValueType = keyof typeof encoders;
type AttributeDescription = {
  readonly type: number;
  readonly valueType: ValueType;
  /** The number of the vendor (IANA Private Enterprise Number) that has defined the attribute. */
  readonly vendor?: number;
};

/** The attributes that are sent, by their names in the dictionaries of FreeRADIUS 3.2. */
const dictionary = {
  'User-Name': { type: 1, valueType: 'string' },
  'NAS-IP-Address': { type: 4, valueType: 'ipv4' },
  'Framed-IP-Address': { type: 8, valueType: 'ipv4' },
  'Session-Timeout': { type: 27, valueType: 'integer' },
  'Acct-Session-Id': { type: 44, valueType: 'string' },
  'Framed-Pool': { type: 88, valueType: 'string' },
  'NAS-IPv6-Address': { type: 95, valueType: 'ipv6' },
  'Framed-IPv6-Address': { type: 168, valueType: 'ipv6' },
  'Framed-IPv6-Pool': { type: 100, valueType: 'string' },
  'Mikrotik-Rate-Limit': { type: 8, valueType: 'string', vendor: mikrotik },
  'WISPr-Bandwidth-Max-Up': { type: 7, valueType: 'integer', vendor: wispr },
  'WISPr-Bandwidth-Max-Down': { type: 8, valueType: 'integer', vendor: wispr },
} as const satisfies Record<string, AttributeDescription>;

/** The name of an attribute that can be sent. */
export type AttributeName = keyof typeof dictionary;

/** An attribute with its value as text. */
export type Attribute = { readonly attribute: AttributeName; readonly value: string };

/** Returns whether an attribute can be sent: others are instructions for the RADIUS server. */
export function isAttributeName(name: string): name is AttributeName {
  return Object.hasOwn(dictionary, name);
}

/** Encodes an attribute. @throws RangeError if its type cannot have the value */
export function encodeAttribute({ attribute, value }: Attribute): Buffer {
  const { type, valueType, vendor }: AttributeDescription = dictionary[attribute];
  const bytes = encoders[valueType](value);
  const maxLength = vendor === undefined ? maxValueLength : maxValueLength - vendorHeaderLength;
  if (bytes === undefined) throw new RangeError(`${attribute} cannot have the value ${value.slice(0, 80)}`);
  // Without the value: it may be a username, and the message is stored.
  if (bytes.length === 0 || bytes.length > maxLength)
    throw new RangeError(`${attribute} must have 1 to ${maxLength} bytes, not ${bytes.length}`);
  if (vendor === undefined) return Buffer.concat([Buffer.from([type, 2 + bytes.length]), bytes]);
  const head = Buffer.alloc(2 + vendorHeaderLength);
  head[0] = vendorSpecific;
  head[1] = head.length + bytes.length;
  head.writeUInt32BE(vendor, 2);
  head[6] = type;
  head[7] = 2 + bytes.length;
  return Buffer.concat([head, bytes]);
}

/** Return undefined for a text that is no value of the type. */
const encoders = {
  string: (text: string) => Buffer.from(text),
  integer(text: string) {
    const value = Number(text);
    if (!/^\d{1,10}$/.test(text) || value > 0xffff_ffff) return undefined;
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32BE(value);
    return bytes;
  },
  ipv4: (text: string) => (isIP(text) === 4 ? Buffer.from(text.split('.').map(Number)) : undefined),
  ipv6(text: string) {
    if (isIP(text) !== 6 || text.includes('%')) return undefined;
    // The URL standard writes IPv6 addresses without a dotted part.
    const hex = new URL(`http://[${text}]`).hostname.slice(1, -1);
    const [start = '', end] = hex.split('::');
    const groups = (part: string) => (part === '' ? [] : part.split(':'));
    const [before, after] = [groups(start), groups(end ?? '')];
    const zeros = Array.from({ length: 8 - before.length - after.length }, () => '0');
    return Buffer.from(
      [...before, ...zeros, ...after].map((group) => group.padStart(4, '0')).join(''),
      'hex',
    );
  },
} as const;
