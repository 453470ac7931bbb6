import { isAbsolute, resolve } from 'node:path';
import { parseDatabaseUrl } from '../postgres/database-url.ts';
import { parseCidr } from '../validation/ip-address.ts';

// Each function parses the text of a setting, or throws an Error whose message completes "NAME must be …".

export function parsePath(text: string): string {
  return isAbsolute(text) ? text : resolve(text);
}

export function parseInteger(min: number, max: number) {
  return (text: string): number => {
    const value = Number(text);
    if (!/^\d{1,9}$/.test(text) || value < min || value > max) {
      throw new Error(`a whole number from ${min} to ${max}, not "${text}"`);
    }
    return value;
  };
}

export function parseBoolean(text: string): boolean {
  if (text !== 'true' && text !== 'false') throw new Error(`true or false, not "${text}"`);
  return text === 'true';
}

export function parseOneOf<const T extends string>(values: readonly T[]) {
  return (text: string): T => {
    const value = values.find((candidate) => candidate === text);
    if (!value) throw new Error(`one of ${values.join(', ')}, not "${text}"`);
    return value;
  };
}

export function parseSchemaName(text: string): string {
  if (!/^[A-Za-z_][A-Za-z0-9_]{0,62}$/.test(text))
    throw new Error(`the name of a schema: 1 to 63 letters, digits and _, not "${text}"`);
  return text;
}

/** The message does not quote the value, which is a secret (as in `parseApiKey`). */
export function parsePostgresUrl(text: string): string {
  parseDatabaseUrl(text);
  return text;
}

export function parseApiKey(text: string): string {
  if (!/^[\x21-\x7e]{32,256}$/.test(text)) {
    throw new Error(
      '32 to 256 printable ASCII characters without spaces, for example the output of: openssl rand -hex 32',
    );
  }
  return text;
}

function parseList(text: string): string[] {
  return text
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '');
}

export function parseNetworks(text: string): string[] {
  const networks = parseList(text);
  if (networks.length === 0 || !networks.every(parseCidr)) {
    throw new Error(`addresses or CIDR blocks such as 10.0.0.1,192.168.0.0/16, not "${text}"`);
  }
  return networks;
}

export function parseOrigins(text: string): string[] {
  const origins = parseList(text);
  const isOrigin = (item: string) => item === '*' || (URL.canParse(item) && new URL(item).origin === item);
  if (!origins.every(isOrigin)) {
    throw new Error(`origins such as https://shop.example,http://localhost:3000, or *${notText(text)}`);
  }
  return origins;
}

/** Quotes a text in a message, unless it may contain a password. */
function notText(text: string): string {
  return text.includes('@') ? '' : `, not "${text}"`;
}

/** HTTPS is required: over plain HTTP an attacker on the network could substitute keys. */
export function parseJwksUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const isLoopback = /^(localhost|127(\.\d+){3}|\[::1\])$/.test(url?.hostname ?? '');
  if (url?.protocol !== 'https:' && !(url?.protocol === 'http:' && isLoopback)) {
    throw new Error(`a URL such as https://login.example/.well-known/jwks.json${notText(text)}`);
  }
  return url;
}

/** Parses the URL of a collector of traces. Its text is not quoted if it may contain a password. */
export function parseHttpUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol !== 'http:' && url?.protocol !== 'https:')
    throw new Error(`a URL such as http://localhost:4318${notText(text)}`);
  return url;
}

/** Parses the name of a time zone of the IANA database, such as `Asia/Tehran`. */
export function parseTimeZone(text: string): string {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: text }).resolvedOptions().timeZone;
  } catch {
    throw new Error('the name of a time zone, such as Asia/Tehran or UTC');
  }
}
