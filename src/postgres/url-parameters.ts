/** The parameters of a DATABASE_URL that are applied, and what they do. docs/database-url.md is generated from it. */
const parameterMeanings = {
  schema: 'The schema of all tables. If unset, `public`',
  host: 'A host name, an address, or the folder of a Unix socket, instead of the host in the URL; several are separated by commas',
  port: 'The port, instead of the one in the URL; as many as hosts, or one for all',
  user: 'The user, instead of the one in the URL',
  password: 'The password, instead of the one in the URL',
  target_session_attrs:
    '`read-write` or `primary`: rejects a standby, and with `read-write` also a read-only database. Required with several hosts. `any`: accepts each server',
  connect_timeout:
    'Seconds, from 1 to 600, to wait for a connection to a host, or for a free one. If unset, 3; several hosts share them, but each has at least 1',
  sslmode:
    '`disable`: no TLS. `require`, `verify-full`: TLS, with a certificate of a trusted authority for this host. `verify-ca`: with `sslrootcert`, for any host. `no-verify`: any certificate. If unset, no TLS',
  sslrootcert:
    'PEM file of the authorities that are trusted; `system`: those that Node.js trusts, as without it. Enables TLS',
  sslcert: 'PEM file of a client certificate. Needs `sslkey`',
  sslkey: 'PEM file of the key of `sslcert`',
  sslnegotiation: '`postgres`, or `direct` for PostgreSQL 17 and newer, which saves a round trip',
  ssl: '`true`, `false` or `no-verify`, instead of `sslmode`',
  channel_binding:
    '`require`: rejects a server that does not sign in the user with SCRAM and channel binding. `prefer`: uses it if the server offers it. `disable`. If unset, `disable`',
  application_name: 'The name of the connections in `pg_stat_activity`',
  client_encoding: '`UTF8` only',
  options: 'Settings of PostgreSQL, as `-c name=value` or `--name=value`, separated by spaces',
  statement_timeout: 'The time limit of a statement, in milliseconds',
  idle_in_transaction_session_timeout: 'The time limit of an idle transaction, in milliseconds',
  connection_limit: 'As `DATABASE_POOL_SIZE`, from 1 to 1000',
  pgbouncer: '`true`: as `DATABASE_PREPARED_STATEMENTS=false`. `false`: no effect',
} as const;

type ParameterName = keyof typeof parameterMeanings;
/** The text of each parameter that a URL has. */
export type Parameters = Partial<Record<ParameterName, string>>;

export const parameterNames = Object.keys(parameterMeanings) as readonly ParameterName[];

/** Well-known parameters that are rejected, and what to do instead. */
export const rejectedParameters: Readonly<Record<string, string>> = {
  search_path: 'use schema=… instead',
  currentSchema: 'use schema=… instead',
  dbname: 'put the name of the database into the path of the URL',
  hostaddr: 'use host instead',
  lock_timeout: 'group-api sets its own value',
  load_balance_hosts: 'hosts are tried in their order',
  pool_timeout: 'use connect_timeout, which also limits the wait for a free connection',
  socket_timeout: 'use statement_timeout instead',
  statement_cache_size: 'set DATABASE_PREPARED_STATEMENTS=false instead of statement_cache_size=0',
  sslaccept: 'use sslmode=verify-full or sslmode=no-verify instead',
  sslidentity: 'use sslcert and sslkey instead',
  sslpassword: 'use a key without a password for sslkey',
  gssencmode: 'GSSAPI is not supported. Use sslmode=verify-full',
  passfile: 'put the password into the URL',
  service: 'put its parameters into the URL',
};

/** Returns the parameters as the rows of Markdown tables, for docs/database-url.md. */
export function describeParameters(): { applied: string; rejected: string } {
  const writeRows = (texts: Readonly<Record<string, string>>) =>
    Object.entries(texts)
      .map(([name, text]) => `| \`${name}\` | ${text} |`)
      .join('\n');
  return { applied: writeRows(parameterMeanings), rejected: writeRows(rejectedParameters) };
}

/**
 * Reads the parameters of a URL.
 * @throws Error whose message completes "DATABASE_URL must be …", or is `malformed` if a part of a password may have
 * been read as a parameter
 */
export function readParameters(searchParams: URLSearchParams, malformed: string): Parameters {
  const unknown = [...new Set(searchParams.keys())].filter((name) => !Object.hasOwn(parameterMeanings, name));
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

/** Returns a whole number of a parameter. @throws Error whose message completes "DATABASE_URL must be …" */
export function readNumber(
  name: ParameterName,
  text: string,
  [min, max]: readonly [number, number],
  unit = '',
): number {
  const value = Number(text);
  if (/^\d{1,9}$/.test(text) && value >= min && value <= max) return value;
  throw new Error(`a URL whose ${name} is a whole number${unit} from ${min} to ${max}`);
}
