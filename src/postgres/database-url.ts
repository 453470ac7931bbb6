import pg from 'pg';
import { OperatorError } from '../errors.ts';
import type { ConnectionConfig } from './client.ts';
import type { SessionSettings } from './transaction-settings.ts';
import { decode, describeHosts, readChoice, readHosts } from './url-hosts.ts';
import { readNumber, readParameters } from './url-parameters.ts';
import { readConnection, readSessionSettings } from './url-session.ts';
import { readTls } from './url-tls.ts';

/** A parsed `DATABASE_URL`. */
export type DatabaseUrl = {
  /** The location for display, without credentials. */
  readonly description: string;
  /** The schema of all tables. */
  readonly schema: string;
  /** The configuration of connections, without the schema: every session sets its search path. */
  readonly connection: ConnectionConfig;
  /** The settings of PostgreSQL that the URL has for all sessions. */
  readonly sessionSettings: SessionSettings;
  /** The default of DATABASE_POOL_SIZE. */
  readonly poolSize?: number;
  /** The default of DATABASE_PREPARED_STATEMENTS. */
  readonly hasPreparedStatements?: boolean;
};

/** The schema of all tables, if the URL sets none. */
export const defaultSchema = 'public';

const example = 'postgresql://user:password@host:5432/database';
const encodingHint =
  'In the user name and the password, write / as %2F, # as %23, ? as %3F, % as %25, @ as %40, : as %3A, & as %26';
/** Quotes no part of the URL: in a malformed URL, any part may belong to the password. */
const malformed = `a URL such as ${example}. ${encodingHint}`;
const maxPoolSize = 1000;

/**
 * Parses a `DATABASE_URL`. Every part is either applied or rejected.
 * @throws Error whose message completes "DATABASE_URL must be …" and quotes no part of a password.
 */
export function parseDatabaseUrl(text: string): DatabaseUrl {
  const [, scheme, authority, rest] = /^(postgres(?:ql)?:\/\/)([^/?#]*)(.*)$/is.exec(text) ?? [];
  if (scheme === undefined || authority === undefined || rest === undefined) throw new Error(malformed);
  const hostsStart = authority.lastIndexOf('@') + 1;
  // A URL has one host.
  const single = `${scheme}${authority.slice(0, hostsStart)}${authority.slice(hostsStart).split(',', 1)[0]}${rest}`;
  // An unencoded "/", "#" or "?" in a password ends the authority early, so that the rest contains the "@".
  if (/[\s\p{Cc}]/u.test(text) || /[@#]/.test(rest) || !URL.canParse(single)) throw new Error(malformed);
  const url = new URL(single);
  const parameters = readParameters(url.searchParams, malformed);

  const user = parameters.user ?? decode(url.username, malformed);
  // With an encoded ":" the password would be part of the user name, which is shown in messages.
  if (user.includes(':')) throw new Error(malformed);
  const password = parameters.password ?? decode(url.password, malformed);
  const hosts = readHosts(authority.slice(hostsStart), parameters, malformed);
  const [{ host, port }] = hosts as [(typeof hosts)[0]];
  const path = decode(url.pathname.slice(1), malformed);
  if (url.pathname.slice(1).includes('/')) throw new Error(malformed);

  const { schema = defaultSchema, connection_limit: poolSize, pgbouncer } = parameters;
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
  if (pgbouncer !== undefined && pgbouncer !== 'true' && pgbouncer !== 'false') {
    throw new Error('a URL whose pgbouncer is true or false');
  }
  const tls = readTls(parameters);
  const connection = readConnection(parameters, Boolean(tls.ssl));
  const choice = readChoice(hosts, parameters.target_session_attrs, connection.connectionTimeoutMillis);
  return {
    description: `PostgreSQL at ${describeHosts(hosts)}/${path || user}`,
    schema,
    connection: {
      ...(choice ? { hosts: choice } : { ...(host && { host }), ...(port !== undefined && { port }) }),
      ...(user && { user }),
      ...(password && { password }),
      ...(path && { database: path }),
      ...tls,
      ...connection,
    },
    sessionSettings: readSessionSettings(parameters),
    ...(poolSize !== undefined && { poolSize: readNumber('connection_limit', poolSize, [1, maxPoolSize]) }),
    ...(pgbouncer === 'true' && { hasPreparedStatements: false }),
  };
}

/** Returns the value of `search_path` for a schema. */
export function searchPathOf(schema: string): string {
  return pg.escapeIdentifier(schema);
}

/** PostgreSQL truncates longer names. */
const maxIdentifierBytes = 63;

/** Parses a URL that was validated with the settings. @throws OperatorError if one of its files was removed since. */
export function readDatabaseUrl(text: string): DatabaseUrl {
  try {
    return parseDatabaseUrl(text);
  } catch (error) {
    throw new OperatorError(`DATABASE_URL must be ${(error as Error).message}`);
  }
}
