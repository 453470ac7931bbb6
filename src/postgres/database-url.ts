import { readFileSync } from 'node:fs';
import pg from 'pg';
import { OperatorError } from '../errors.ts';

/** A parsed `DATABASE_URL`. */
export type DatabaseUrl = {
  /** The location for display, without credentials. */
  readonly description: string;
  /** The schema of all tables. */
  readonly schema: string;
  /** The configuration of pg's client, without the schema: every session sets its search path. */
  readonly connection: pg.ClientConfig;
};

/** The schema of all tables, if the URL sets none. */
export const defaultSchema = 'public';

const example = 'postgresql://user:password@host:5432/database';
const encodingHint =
  'In the user name and the password, write / as %2F, # as %23, ? as %3F, % as %25, @ as %40, : as %3A, & as %26';
/** Quotes no part of the URL: in a malformed URL, any part may belong to the password. */
const malformed = `a URL such as ${example}. ${encodingHint}`;

/**
 * Parses a `DATABASE_URL`. Every part is either applied or rejected.
 * @throws Error whose message completes "DATABASE_URL must be …" and quotes no part of a password.
 */
export function parseDatabaseUrl(text: string): DatabaseUrl {
  const [, authority, rest] = /^postgres(?:ql)?:\/\/([^/?#]*)(.*)$/is.exec(text) ?? [];
  if (authority === undefined || rest === undefined) throw new Error(malformed);
  const hosts = authority.slice(authority.lastIndexOf('@') + 1);
  if (hosts.includes(',') && !rest.includes('@')) throw new Error(singleHost);
  // An unencoded "/", "#" or "?" in a password ends the authority early, so that the rest contains the "@".
  if (/[\s\p{Cc}]/u.test(text) || /[@#]/.test(rest) || !URL.canParse(text)) throw new Error(malformed);
  const url = new URL(text);
  const parameters = readParameters(url.searchParams);

  const user = parameters.user ?? decode(url.username);
  // With an encoded ":" the password would be part of the user name, which is shown in messages.
  if (user.includes(':')) throw new Error(malformed);
  const password = parameters.password ?? decode(url.password);
  const host = parameters.host ?? decode(url.hostname.replace(/^\[(.+)\]$/, '$1'));
  if (host.includes(',')) throw new Error(singleHost);
  const port = readPort(parameters.port ?? url.port);
  const path = decode(url.pathname.slice(1));
  if (url.pathname.slice(1).includes('/')) throw new Error(malformed);

  const { schema = defaultSchema } = parameters;
  if (schema === '' || Buffer.byteLength(schema) > maxIdentifierBytes) {
    throw new Error(`a URL whose schema has 1 to ${maxIdentifierBytes} bytes`);
  }
  if (schema.includes('"')) {
    // Prisma does not escape double quotes.
    throw new Error('a URL whose schema has no double quote');
  }
  // "$user" is a variable of search_path.
  if (/^(pg_|information_schema$|\$user$)/.test(schema)) {
    throw new Error('a URL whose schema is not one that PostgreSQL uses itself');
  }
  return {
    description: describe(host, port, path || user),
    schema,
    connection: {
      ...(host && { host }),
      ...(port !== undefined && { port }),
      ...(user && { user }),
      ...(password && { password }),
      ...(path && { database: path }),
      ...readTls(parameters),
      ...readSession(parameters),
    },
  };
}

/** Returns the value of `search_path` for a schema. */
export function searchPathOf(schema: string): string {
  return pg.escapeIdentifier(schema);
}

const singleHost = 'a URL with one host: use the primary, or a proxy in front of it';
/** PostgreSQL truncates longer names. */
const maxIdentifierBytes = 63;

/** The parameters that are applied. */
const parameterNames = [
  'schema',
  'host',
  'port',
  'user',
  'password',
  'sslmode',
  'sslrootcert',
  'sslcert',
  'sslkey',
  'sslnegotiation',
  'ssl',
  'channel_binding',
  'application_name',
  'client_encoding',
  'options',
  'statement_timeout',
  'idle_in_transaction_session_timeout',
] as const;
type Parameters = Partial<Record<(typeof parameterNames)[number], string>>;

/** Well-known parameters that are rejected, and what to do instead. */
const rejectedParameters: Readonly<Record<string, string>> = {
  connection_limit: 'set DATABASE_POOL_SIZE instead',
  pgbouncer:
    'a pooler in transaction mode is not supported yet. Connect to PostgreSQL directly, or to a pooler with pool_mode = session',
  search_path: 'use schema=… instead',
  currentSchema: 'use schema=… instead',
  dbname: 'put the name of the database into the path of the URL',
  hostaddr: 'use host instead',
  lock_timeout: 'group-api sets its own value',
  connect_timeout: 'group-api waits for a connection for 3 seconds',
  target_session_attrs: 'use the primary, or a proxy in front of it',
};

function readParameters(searchParams: URLSearchParams): Parameters {
  const unknown = [...new Set(searchParams.keys())].filter(
    (name) => !(parameterNames as readonly string[]).includes(name),
  );
  if (unknown.length > 0) {
    // An unencoded "&" in a password makes the rest of it look like a parameter.
    if (searchParams.has('password')) throw new Error(malformed);
    throw new Error(describeUnknown(unknown[0]!));
  }
  const repeated = parameterNames.find((name) => searchParams.getAll(name).length > 1);
  if (repeated) throw new Error(`a URL that sets ${repeated} only once`);
  const parameters: Parameters = Object.fromEntries(searchParams);
  if ([...searchParams.values()].some((value) => value.includes('\0'))) throw new Error(malformed);
  return parameters;
}

function describeUnknown(name: string): string {
  const advice = Object.hasOwn(rejectedParameters, name) ? rejectedParameters[name] : undefined;
  if (advice !== undefined) return `a URL without the parameter ${name}: ${advice}`;
  const shown = /^\w{1,40}$/.test(name) ? ` ${name}` : 's that group-api does not support';
  return `a URL without the parameter${shown}. Supported are ${parameterNames.join(', ')}`;
}

function decode(text: string): string {
  let decoded: string;
  try {
    decoded = decodeURIComponent(text);
  } catch {
    throw new Error(malformed);
  }
  if (decoded.includes('\0')) throw new Error(malformed);
  return decoded;
}

function readPort(text: string): number | undefined {
  if (text === '') return undefined;
  const port = Number(text);
  if (!/^\d{1,5}$/.test(text) || port < 1 || port > 65_535) {
    throw new Error('a URL whose port is a whole number from 1 to 65535');
  }
  return port;
}

function describe(host: string, port: number | undefined, database: string): string {
  const shownHost = (host || 'localhost').replace(/^([^/]*:.*)$/, '[$1]');
  return `PostgreSQL at ${shownHost}${port === undefined ? '' : `:${port}`}/${database}`;
}

const sslModes = ['disable', 'require', 'verify-ca', 'verify-full', 'no-verify'];

/**
 * Verifies certificates unless the URL disables it. `require`, too, requires a certificate from a trusted authority for
 * this host: encryption alone does not protect the password from a man in the middle.
 */
function readTls(parameters: Parameters): pg.ClientConfig {
  const { sslmode, ssl, sslrootcert, sslcert, sslkey, sslnegotiation } = parameters;
  if (sslmode === 'prefer' || sslmode === 'allow') {
    throw new Error(
      `a URL without sslmode=${sslmode}, which allows unencrypted connections. Use sslmode=verify-full, or ` +
        'sslmode=disable if the server does not support TLS',
    );
  }
  if (sslmode !== undefined && !sslModes.includes(sslmode)) {
    throw new Error(`a URL whose sslmode is one of ${sslModes.join(', ')}`);
  }
  if (
    ssl !== undefined &&
    (sslmode !== undefined || !['true', '1', 'false', '0', 'no-verify'].includes(ssl))
  ) {
    throw new Error('a URL with sslmode=… instead of ssl=…');
  }
  if (sslnegotiation !== undefined && sslnegotiation !== 'postgres' && sslnegotiation !== 'direct') {
    throw new Error('a URL whose sslnegotiation is postgres or direct');
  }
  const isOff = sslmode === 'disable' || ssl === 'false' || ssl === '0';
  const files = { sslrootcert, sslcert, sslkey };
  const isRequested = [sslmode, ssl, ...Object.values(files)].some((value) => value !== undefined);
  if (sslnegotiation === 'direct' && isOff) {
    throw new Error('a URL whose sslmode is not disable, since sslnegotiation=direct requires TLS');
  }
  if (isOff) return { ssl: false };
  if (!isRequested && sslnegotiation !== 'direct') return {};
  if ((sslcert === undefined) !== (sslkey === undefined))
    throw new Error('a URL with both sslcert and sslkey');
  const isUnverified = sslmode === 'no-verify' || ssl === 'no-verify';
  return {
    ssl: {
      ...(sslrootcert !== undefined && { ca: readPem('sslrootcert', sslrootcert) }),
      ...(sslcert !== undefined && { cert: readPem('sslcert', sslcert) }),
      ...(sslkey !== undefined && { key: readPem('sslkey', sslkey) }),
      ...(isUnverified && { rejectUnauthorized: false }),
      // Only with a private authority: anyone can get a certificate for some host from a public one.
      ...(sslmode === 'verify-ca' && sslrootcert !== undefined && { checkServerIdentity: () => undefined }),
    },
    ...(sslnegotiation !== undefined && { sslnegotiation }),
  };
}

function readPem(name: string, path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    const { code = 'unknown error' } = error as NodeJS.ErrnoException;
    throw new Error(`a URL whose ${name} is a readable PEM file: ${code}, ${path}`, { cause: error });
  }
}

function readSession(parameters: Parameters): pg.ClientConfig {
  const { channel_binding: channelBinding, client_encoding: encoding, application_name: name } = parameters;
  const { options, statement_timeout: statementTimeout } = parameters;
  const { idle_in_transaction_session_timeout: idleTimeout } = parameters;
  if (channelBinding === 'require') {
    throw new Error(
      'a URL without channel_binding=require, which cannot be enforced. Use channel_binding=prefer with sslmode=verify-full',
    );
  }
  if (channelBinding !== undefined && channelBinding !== 'prefer' && channelBinding !== 'disable') {
    throw new Error('a URL whose channel_binding is prefer or disable');
  }
  if (encoding !== undefined && !/^utf-?8$/i.test(encoding)) {
    throw new Error('a URL without client_encoding: group-api uses UTF8');
  }
  if (options !== undefined && /search[_-]path/i.test(options)) {
    throw new Error('a URL whose options do not set search_path: use schema=… instead');
  }
  return {
    ...(channelBinding === 'prefer' && { enableChannelBinding: true }),
    ...(name && { application_name: name }),
    ...(options && { options }),
    ...(statementTimeout !== undefined && {
      statement_timeout: readTimeout('statement_timeout', statementTimeout),
    }),
    ...(idleTimeout !== undefined && {
      idle_in_transaction_session_timeout: readTimeout('idle_in_transaction_session_timeout', idleTimeout),
    }),
  };
}

function readTimeout(name: string, text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new Error(`a URL whose ${name} is a whole number of milliseconds`);
}

/** Parses a URL that was validated with the settings. @throws OperatorError if one of its files was removed since. */
export function readDatabaseUrl(text: string): DatabaseUrl {
  try {
    return parseDatabaseUrl(text);
  } catch (error) {
    throw new OperatorError(`DATABASE_URL must be ${(error as Error).message}`);
  }
}
