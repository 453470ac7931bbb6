import type { KeyObject } from 'node:crypto';
import { resolve } from 'node:path';
import type { DatabaseUrl } from '../postgres/database-url.ts';
import { parsePublicKey } from './jwt-public-key.ts';
import {
  parseApiKey,
  parseBoolean,
  parseInteger,
  parseHttpUrl,
  parseJwksUrl,
  parseNetworks,
  parseOneOf,
  parseOrigins,
  parsePath,
  parsePostgresUrl,
  parseSchemaName,
  parseTimeZone,
} from './setting-parsers.ts';

/** Origin of Apollo Sandbox, a page that Apollo hosts. */
const apolloSandboxOrigin = 'https://studio.apollographql.com';

/** One setting: its meaning, its parser and its default. */
export type Setting<T> = {
  readonly meaning: string;
  /** Parses the text; throws an Error whose message completes "NAME must be …". */
  readonly parse: (text: string) => T;
  readonly default: T | ((context: DefaultContext) => T);
  /** The default as shown in documentation, if the value itself would be unclear. */
  readonly defaultText?: string;
};

/** Facts that defaults may depend on. */
type DefaultContext = {
  readonly isRoot: boolean;
  readonly isEmbedded: boolean;
  readonly isLocal: boolean;
  /** DATABASE_URL, if it is set and valid. */
  readonly url?: DatabaseUrl;
};

/** Every setting, all read from the environment. docs/settings.md is generated from this table. */
export const settings = {
  HOST: setting({
    meaning: 'Address to listen on; `localhost` means both loopback addresses',
    parse: (text) => text,
    default: '127.0.0.1',
  }),
  PORT: setting({
    meaning: 'Port to listen on; `0` selects any free port',
    parse: parseInteger(0, 65_535),
    default: 4000,
  }),
  WORKERS: setting({
    meaning:
      'Number of server processes that share the port, for machines with several cores. Rate limits and failed sign-ins are counted for all of them; the limits `MAX_…` apply to each',
    parse: parseInteger(1, 64),
    default: 1,
  }),
  DATABASE_URL: setting<string | undefined>({
    meaning: 'PostgreSQL 14 or newer, as `postgresql://…`. If unset, an embedded PostgreSQL is started',
    parse: parsePostgresUrl,
    default: undefined,
  }),
  DATABASE_POOL_SIZE: setting({
    meaning:
      'Maximum number of database connections. Several `WORKERS` have an equal share each, which should be at least 5, and the process that starts them 1 more. Each process has another one for its watchdog',
    parse: parseInteger(1, 1000),
    default: ({ url }) => url?.poolSize ?? 10,
    defaultText: '`connection_limit` of the URL, else `10`',
  }),
  DATABASE_PREPARED_STATEMENTS: setting({
    meaning:
      'Prepares statements by name, so that PostgreSQL plans them once. `false` for a pooler that shares sessions and does not keep them, such as PgBouncer before 1.21',
    parse: parseBoolean,
    default: ({ url }) => url?.hasPreparedStatements ?? true,
    defaultText: '`false` if the URL has `pgbouncer=true`, else `true`',
  }),
  DATA_DIR: setting({
    meaning: 'Data folder of the embedded PostgreSQL',
    parse: parsePath,
    default: ({ isRoot }) => (isRoot ? '/var/lib/group-api' : resolve('data')),
    defaultText: '`./data`; as root `/var/lib/group-api`',
  }),
  ADMIN_API_KEY: setting<string | undefined>({
    meaning:
      'API key of the account `admin`, at least 32 characters, applied at every start. If unset, one is generated on first start and printed once',
    parse: parseApiKey,
    default: undefined,
  }),
  SAMPLE_DATA: setting({
    meaning: 'Loads a few sample groups into an empty database',
    parse: parseBoolean,
    default: ({ isEmbedded }) => isEmbedded,
    defaultText: '`true` when embedded, else `false`',
  }),
  DELETED_GROUP_RETENTION_DAYS: setting({
    meaning: 'Days during which a deleted group can be restored; then it is purged. `0` disables the archive',
    parse: parseInteger(0, 36_500),
    default: 30,
  }),
  AUDIT_RETENTION_DAYS: setting<number | undefined>({
    meaning:
      'Days after which the audit log is dropped, by whole months. If unset, it is retained permanently. Requires a database user that owns the tables, or `group-api partitions` run by the owner',
    parse: parseInteger(1, 36_500),
    default: undefined,
  }),
  SUBSCRIBER_HISTORY_RETENTION_DAYS: setting<number | undefined>({
    meaning:
      'Days after which the history of subscribers is dropped, as `AUDIT_RETENTION_DAYS`. If unset, it is retained permanently',
    parse: parseInteger(1, 36_500),
    default: undefined,
  }),
  JWT_JWKS_URL: setting<URL | undefined>({
    meaning: 'URL of the key set (JWKS) that verifies JSON Web Tokens, as `https://…`. Fetched and cached',
    parse: parseJwksUrl,
    default: undefined,
  }),
  JWT_PUBLIC_KEY: setting<KeyObject | undefined>({
    meaning:
      'Alternative to `JWT_JWKS_URL`: one public key (RSA, EC or Ed25519) as PEM; `\\n` stands for a line break',
    // A line of .env cannot contain line breaks.
    parse: (text) => parsePublicKey(text.replaceAll('\\n', '\n')),
    default: undefined,
  }),
  JWT_ISSUER: setting<string | undefined>({
    meaning: 'Required `iss` claim of a token',
    parse: (text) => text,
    default: undefined,
  }),
  JWT_AUDIENCE: setting<string | undefined>({
    meaning: 'Required `aud` claim of a token',
    parse: (text) => text,
    default: undefined,
  }),
  FAILED_SIGN_INS_PER_MINUTE: setting({
    meaning:
      'Failed sign-ins per minute and client address, before further attempts get 429 for the rest of the minute',
    parse: parseInteger(1, 1_000_000),
    default: 30,
  }),
  RATE_LIMIT_PER_ACCOUNT: setting({
    meaning: 'Requests per minute, account and server; `0` = unlimited',
    parse: parseInteger(0, 100_000_000),
    default: 0,
  }),
  RATE_LIMIT_PER_ADDRESS: setting({
    meaning: 'Requests per minute, client address (per /64 for IPv6) and server; `0` = unlimited',
    parse: parseInteger(0, 100_000_000),
    default: 0,
  }),
  TRUST_PROXY: setting<string[] | undefined>({
    meaning:
      'Trusted proxies, as comma-separated addresses or CIDR blocks: `X-Forwarded-For` is honored only from these. If unset, it is ignored',
    parse: parseNetworks,
    default: undefined,
  }),
  CORS_ORIGINS: setting<string[]>({
    meaning:
      'Other origins whose pages may call the API, such as `https://shop.example`, comma-separated; `*` allows any',
    parse: parseOrigins,
    default: ({ isLocal }) => (isLocal ? [apolloSandboxOrigin] : []),
    defaultText: 'Apollo Sandbox when `HOST` is loopback, otherwise none',
  }),
  TLS_CERT_FILE: setting<string | undefined>({
    meaning: 'Certificate chain for HTTPS, as a PEM file. Reloaded within seconds when the file changes',
    parse: parsePath,
    default: undefined,
  }),
  TLS_KEY_FILE: setting<string | undefined>({
    meaning: 'Private key of the certificate, as a PEM file',
    parse: parsePath,
    default: undefined,
  }),
  INTROSPECTION: setting({
    meaning: 'Allows introspection of the schema, which explorers need',
    parse: parseBoolean,
    default: true,
  }),
  ALLOWED_OPERATIONS_FILE: setting<string | undefined>({
    meaning:
      'Allowlist of operations: a JSON map of SHA-256 to operation text, or an Apollo manifest. If unset, every operation is allowed',
    parse: parsePath,
    default: undefined,
  }),
  AUTODIALER: setting({
    meaning: 'Enables the autodialer REST API with its number groups',
    parse: parseBoolean,
    default: true,
  }),
  AUTODIALER_TIME_ZONE: setting({
    meaning: 'Time zone of the dates in autodialer responses',
    parse: parseTimeZone,
    default: 'Asia/Tehran',
  }),
  WEBHOOK_ALLOWED_NETWORKS: setting<string[] | undefined>({
    meaning:
      'Networks that webhooks may be sent to although they are not public, as comma-separated addresses or CIDR blocks such as `10.0.0.0/8`. If unset, only public addresses',
    parse: parseNetworks,
    default: undefined,
  }),
  WEBHOOK_ALLOW_HTTP: setting({
    meaning: 'Allows webhooks with an `http:` URL, whose events others on the network can read',
    parse: parseBoolean,
    default: false,
  }),
  RADIUS: setting({
    meaning:
      'Notifies the network devices (NAS) of the open RADIUS sessions that a removal, a move, an edit or a delete concerns, by RFC 5176. The views for FreeRADIUS are there in any case',
    parse: parseBoolean,
    default: false,
  }),
  RADIUS_DISCONNECT: setting<boolean | undefined>({
    meaning: 'The same, if it is set; `RADIUS` is ignored then',
    parse: parseBoolean,
    default: undefined,
    defaultText: '`RADIUS`',
  }),
  RADIUS_CHANGE: setting({
    meaning:
      'What a session receives whose user still has a plan: `disconnect`, so that the device signs in again; or `coa`, the attributes of the plan (CoA-Request), if it can be changed so, else `disconnect`',
    parse: parseOneOf(['disconnect', 'coa']),
    default: 'disconnect',
  }),
  RADIUS_ACCOUNTING_SCHEMA: setting({
    meaning:
      'Schema of the tables `radacct` and `nas` of FreeRADIUS, in the same database. The secrets of the NAS are read from `nas`',
    parse: parseSchemaName,
    default: 'freeradius',
  }),
  RADIUS_COA_PORT: setting({
    meaning: 'UDP port of the NAS for Disconnect- and CoA-Requests. Some devices listen on 1700',
    parse: parseInteger(1, 65_535),
    default: 3799,
  }),
  RADIUS_TIMEOUT_MS: setting({
    meaning:
      'Time in milliseconds that the first packet of a request waits for a response of the NAS; it is sent again after this time, twice and four times as long',
    parse: parseInteger(50, 30_000),
    default: 3000,
  }),
  RADIUS_RATE_UNIT: setting({
    meaning:
      'Unit of the numbers in `downloadUpload` that have none, for RADIUS: `bit/s`, `kbit/s`, `Mbit/s` or `Gbit/s`. Stored in the database at the start, for the views that FreeRADIUS reads: the same on every server',
    parse: parseOneOf(['bit/s', 'kbit/s', 'Mbit/s', 'Gbit/s']),
    default: 'Mbit/s',
  }),
  RADIUS_QUOTA_UNIT: setting({
    meaning:
      'Unit of a number in `dailyBandwidth` that has none, for RADIUS: `B`, `kB`, `MB`, `GB`, `KiB`, `MiB` or `GiB`. Stored as `RADIUS_RATE_UNIT`',
    parse: parseOneOf(['B', 'kB', 'MB', 'GB', 'KiB', 'MiB', 'GiB']),
    default: 'MB',
  }),
  MAX_QUERY_TOKENS: setting({
    meaning: 'Maximum number of tokens (names, punctuators, values) in a query',
    // The minimum is what an introspection query needs; above the maximum, the parser's recursion may overflow the
    // stack.
    parse: parseInteger(200, 4000),
    // Enough for a deleteGroups with 1,000 inline ids and a selection of every field.
    default: 1200,
  }),
  MAX_QUERY_DEPTH: setting({
    meaning: 'Maximum query depth',
    parse: parseInteger(1, 1000),
    default: 12,
  }),
  MAX_QUERY_ALIASES: setting({
    meaning: 'Maximum number of aliases in a query',
    parse: parseInteger(0, 100_000),
    default: 30,
  }),
  MAX_QUERY_ROOT_FIELDS: setting({
    meaning: 'Maximum number of root fields in a query',
    parse: parseInteger(1, 100_000),
    default: 20,
  }),
  MAX_QUERY_DIRECTIVES: setting({
    meaning: 'Maximum number of directives in a query',
    parse: parseInteger(0, 100_000),
    default: 30,
  }),
  MAX_QUERY_COST: setting({
    meaning:
      'Maximum query cost: the upper bound of values in the response, computed from the requested page sizes',
    parse: parseInteger(1, 999_999_999),
    // Enough for every field of 10,000 groups with their nested objects, and some margin for future fields.
    default: 500_000,
  }),
  MAX_CONCURRENT_REQUESTS: setting({
    meaning: 'Maximum number of concurrent requests; further ones get 503 immediately',
    parse: parseInteger(1, 100_000),
    default: 128,
  }),
  MAX_SUBSCRIPTIONS: setting({
    meaning:
      'Maximum number of open subscriptions, which do not count among MAX_CONCURRENT_REQUESTS; further ones get 503 immediately',
    parse: parseInteger(0, 100_000),
    default: 1000,
  }),
  MAX_EVENT_LOOP_DELAY_MS: setting({
    meaning:
      'Event-loop delay in milliseconds (mean of a second); if exceeded for two seconds in a row, requests get 503 immediately',
    parse: parseInteger(20, 60_000),
    default: 200,
  }),
  MAX_CONNECTIONS: setting({
    meaning: 'Maximum number of open connections; further ones are closed immediately',
    parse: parseInteger(1, 1_000_000),
    default: 10_000,
  }),
  REQUEST_TIMEOUT_SECONDS: setting({
    meaning: 'Time limit for receiving a whole request, in seconds; a third of it applies to the headers',
    parse: parseInteger(1, 600),
    default: 30,
  }),
  SLOW_REQUEST_MS: setting({
    meaning:
      'Milliseconds after which the log line of a request is a warning, with the parts of its time; the receipt of its body does not count',
    parse: parseInteger(1, 3_600_000),
    default: 1000,
  }),
  METRICS_PORT: setting<number | undefined>({
    meaning:
      'Port that serves metrics for Prometheus at `/metrics`, without credentials; `0` selects any free port, which the log has. If unset, nothing is measured',
    parse: parseInteger(0, 65_535),
    default: undefined,
  }),
  METRICS_HOST: setting({
    meaning: 'Address to listen on for `METRICS_PORT`: only Prometheus should reach it',
    parse: (text) => text,
    default: '127.0.0.1',
  }),
  SHUTDOWN_DELAY_SECONDS: setting({
    meaning:
      'Seconds for which the server still accepts and serves requests after a signal to stop, while `/readyz` is 503, so that load balancers stop sending them',
    parse: parseInteger(0, 600),
    default: 0,
  }),
  OTEL_EXPORTER_OTLP_ENDPOINT: setting<URL | undefined>({
    meaning:
      'URL of an OpenTelemetry collector, such as `http://localhost:4318`: traces are sent to `/v1/traces` below it, as JSON. If unset, and so are the next two, nothing is traced',
    parse: parseHttpUrl,
    default: undefined,
  }),
  OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: setting<URL | undefined>({
    meaning: 'Complete URL for traces, instead of `OTEL_EXPORTER_OTLP_ENDPOINT`',
    parse: parseHttpUrl,
    default: undefined,
  }),
  OTEL_EXPORTER_OTLP_PROTOCOL: setting<string | undefined>({
    meaning:
      '`http/json`, which is what the server sends, or `http/protobuf`, whose collectors accept it as well. Others, such as `grpc`, have no effect, and a warning at the start',
    parse: (text) => text,
    default: undefined,
  }),
  OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: setting<string | undefined>({
    meaning: 'The same for traces, instead of `OTEL_EXPORTER_OTLP_PROTOCOL`',
    parse: (text) => text,
    default: undefined,
  }),
  OTEL_TRACES_EXPORTER: setting<'otlp' | 'console' | 'none' | undefined>({
    meaning:
      '`otlp` sends traces, also without a URL: then to `http://localhost:4318`; `console` prints them; `none` turns them off',
    parse: parseOneOf(['otlp', 'console', 'none']),
    default: undefined,
  }),
  OTEL_SDK_DISABLED: setting({
    meaning: '`true` turns traces off',
    parse: parseBoolean,
    default: false,
  }),
  LOG_LEVEL: setting({
    meaning: 'Minimum level of log lines: `trace`, `debug`, `info`, `warn`, `error`, `fatal` or `silent`',
    parse: parseOneOf(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']),
    default: 'info',
  }),
} as const;

/** The parsed settings: one value per name, of the type that its row in the table infers. */
export type Config = {
  readonly [Name in keyof typeof settings]: (typeof settings)[Name] extends Setting<infer T> ? T : never;
};

/** Returns the settings as the rows of a Markdown table, for docs/settings.md. */
export function describeSettings(): string {
  return Object.entries<Setting<unknown>>(settings)
    .map(([name, { default: fallback, defaultText, meaning }]) => {
      const isShown = ['string', 'number', 'boolean'].includes(typeof fallback);
      return `| \`${name}\` | ${defaultText ?? (isShown ? `\`${String(fallback)}\`` : 'none')} | ${meaning} |`;
    })
    .join('\n');
}

/** Infers the type of each row separately. */
function setting<T>(row: Setting<T>): Setting<T> {
  return row;
}
