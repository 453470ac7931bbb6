import { causesOf } from './error-causes.ts';

type Explanation = {
  /** What happened. If unset, the message of the error. */
  readonly reason?: string;
  readonly advice: string;
};

const defaultAdvice = 'Check that the server is running and that DATABASE_URL is correct';
const addAuthority =
  'Add sslrootcert=/path/of/its/authority.pem to DATABASE_URL, or sslmode=no-verify to accept any certificate';
const checkNetwork = 'Check the host and the port in DATABASE_URL, the firewalls and the routes';

/** Codes of Node, OpenSSL and PostgreSQL. */
const explanationByCode: Readonly<Record<string, Explanation>> = {
  ENOTFOUND: { advice: 'The host name cannot be resolved. Check the host name in DATABASE_URL, and DNS' },
  EAI_AGAIN: {
    advice: 'The host name cannot currently be resolved. Check the host name in DATABASE_URL, and DNS',
  },
  ECONNREFUSED: {
    advice: 'Check that the server is running, and that host and port in DATABASE_URL are correct',
  },
  ECONNRESET: { advice: 'The connection was reset. Check that PostgreSQL listens on that port' },
  EHOSTUNREACH: { advice: checkNetwork },
  ENETUNREACH: { advice: checkNetwork },
  ETIMEDOUT: { advice: checkNetwork },
  ENOENT: {
    advice: 'There is no such socket. Check that the server is running, and the host in DATABASE_URL',
  },
  EACCES: { advice: 'The user that runs group-api has no permission to use the socket' },
  DEPTH_ZERO_SELF_SIGNED_CERT: { reason: 'its certificate is self-signed', advice: addAuthority },
  SELF_SIGNED_CERT_IN_CHAIN: { reason: 'an unknown authority signed its certificate', advice: addAuthority },
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: {
    reason: 'an unknown authority signed its certificate',
    advice: addAuthority,
  },
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: {
    reason: 'an unknown authority signed its certificate',
    advice: addAuthority,
  },
  UNABLE_TO_GET_ISSUER_CERT: { reason: 'an unknown authority signed its certificate', advice: addAuthority },
  CERT_HAS_EXPIRED: { reason: 'its certificate has expired', advice: 'Renew the certificate of the server' },
  ERR_TLS_CERT_ALTNAME_INVALID: {
    reason: 'its certificate is for another host name',
    advice: 'Use that host name in DATABASE_URL, or sslmode=verify-ca together with sslrootcert=…',
  },
  '28P01': {
    advice:
      'Check the user name and the password in DATABASE_URL. Special characters in them must be percent-encoded: @ as %40',
  },
  '28000': { advice: 'Check the user name in DATABASE_URL, and the rules of pg_hba.conf on the server' },
  '3D000': { advice: 'Create the database with CREATE DATABASE, or correct its name in DATABASE_URL' },
  '42501': { advice: 'GRANT CONNECT on the database to this user' },
  '53300': { advice: 'Raise max_connections of PostgreSQL, or lower DATABASE_POOL_SIZE of its clients' },
  '57P03': { advice: 'Try again later: the server is starting up or shutting down' },
};

/** Messages of pg and PgBouncer that have no specific code. */
const explanationByMessage: readonly (readonly [pattern: RegExp, explanation: Explanation])[] = [
  [/^none of the hosts /, { advice: 'Check that one of them is running and is the primary' }],
  [/^it is (a standby|read-only)$/, { advice: 'Set DATABASE_URL to the primary' }],
  [
    /does not offer channel binding/,
    {
      advice:
        'Use TLS, a password and scram-sha-256 on the server, or sslmode=verify-full without channel_binding=require',
    },
  ],
  [/parameter "/, { advice: 'Correct the options in DATABASE_URL' }],
  [
    /does not support SSL connections/,
    {
      reason: 'the server does not support TLS',
      advice: 'Enable TLS on the server, or use sslmode=disable in DATABASE_URL if the network is trusted',
    },
  ],
  [/pg_hba\.conf .*no encryption/s, { advice: 'Add sslmode=verify-full to DATABASE_URL' }],
  [
    /client password must be a string|password is required|no password supplied/i,
    {
      reason: 'the server requires a password',
      advice: 'Add one to DATABASE_URL: postgresql://user:password@host/…',
    },
  ],
  [
    /no such database/,
    { advice: 'Add the database to the [databases] of PgBouncer, or correct its name in DATABASE_URL' },
  ],
  [
    /transaction blocks not allowed/,
    {
      reason: 'PgBouncer assigns a session per statement',
      advice: 'Set pool_mode = transaction or session for this database',
    },
  ],
  [
    /no such user|auth_file|auth_query/,
    { advice: 'Add the user to the auth_file of PgBouncer, or correct DATABASE_URL' },
  ],
  [
    /no more connections allowed|max_client_conn|query_wait_timeout|too many connections/i,
    { advice: 'Raise max_client_conn and default_pool_size of PgBouncer, or lower DATABASE_POOL_SIZE' },
  ],
  [
    /timeout expired|timeout exceeded when trying to connect|due to connection timeout/,
    { reason: 'it did not respond in time', advice: checkNetwork },
  ],
  [
    /PEM|DECODER|ASN1|asn1/,
    { advice: 'Check that the files of sslrootcert, sslcert and sslkey are PEM files that belong together' },
  ],
  [/Connection terminated unexpectedly/, { advice: 'Check that PostgreSQL listens on that port' }],
];

/** Describes why a connection to `description` failed and what to do, as one line without credentials. */
export function describeConnectionError(error: unknown, description: string): string {
  const codes = causesOf(error).map(({ code }) => code);
  const code = codes.find((candidate) => typeof candidate === 'string');
  const message = firstLine((error as Error).message) || code || 'unknown error';
  const parameter = /unsupported startup parameter(?: in options)?: "?([\w.]+)"?/.exec(message)?.[1];
  if (parameter !== undefined) {
    return (
      `Cannot connect to ${description}: PgBouncer rejects the start-up parameter ${parameter}. ` +
      `Remove ${parameter} from DATABASE_URL and PGOPTIONS, or connect to PostgreSQL directly`
    );
  }
  const [, byMessage] = explanationByMessage.find(([pattern]) => pattern.test(message)) ?? [];
  const explanation = byMessage ?? (code === undefined ? undefined : explanationByCode[code]);
  const { reason = message, advice } = explanation ?? { advice: defaultAdvice };
  return `Cannot connect to ${description}: ${reason}. ${advice}`;
}

function firstLine(text: string): string {
  return text.trim().split('\n', 1)[0]!.replace(/\.$/, '');
}
