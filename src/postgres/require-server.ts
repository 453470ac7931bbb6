import pg from 'pg';
import { OperatorError } from '../errors.ts';
import { describeConnectionError } from './connection-error.ts';
import { processIdOf } from './client.ts';
import type { DatabaseUrl } from './database-url.ts';
import { keepsNamedStatements } from './pooler.ts';

/** The `server_version_num` of PostgreSQL 14. */
const minServerVersion = 140_000;

type Server = {
  readonly number: number;
  readonly version: string;
  readonly encoding: string;
  readonly pid: number;
  readonly user: string;
  /** Null if the schema does not exist. */
  readonly may_use_schema: boolean | null;
};

/** What a connection leads to. */
export type ServerInfo = {
  /** The version of PostgreSQL. */
  readonly version: string;
  /** Whether a pooler is between the client and PostgreSQL. */
  readonly isPooled: boolean;
  /** Whether statements can be prepared by name. */
  readonly keepsNamedStatements: boolean;
};

/**
 * Checks that group-api can use a server: its version, its encoding, and the schema of the tables.
 * @throws OperatorError that says what to do.
 */
export async function requireServer(pool: pg.Pool, database: DatabaseUrl): Promise<ServerInfo> {
  const { description, schema } = database;
  let server: Server;
  let isPooled: boolean;
  let keepsStatements: boolean;
  try {
    const client = await pool.connect();
    try {
      // Sent alone: a pooler that assigns a session per statement rejects it, and closes the connection.
      await client.query('BEGIN');
      const { rows } = await client.query<Server>(
        `SELECT current_setting('server_version_num')::int AS number, current_setting('server_version') AS version,
           current_setting('server_encoding') AS encoding, pg_backend_pid() AS pid, current_user AS user,
           (SELECT has_schema_privilege(oid, 'USAGE') FROM pg_namespace WHERE nspname = $1) AS may_use_schema`,
        [schema],
      );
      server = rows[0]!;
      isPooled = processIdOf(client) !== server.pid;
      keepsStatements = !isPooled || (await keepsNamedStatements(client));
      await client.query('COMMIT');
    } finally {
      client.release();
    }
  } catch (error) {
    throw new OperatorError(describeConnectionError(error, description));
  }
  const problem = findProblem(server, database);
  if (problem !== undefined) throw new OperatorError(problem);
  return { version: server.version, isPooled, keepsNamedStatements: keepsStatements };
}

function findProblem(server: Server, { description, schema }: DatabaseUrl): string | undefined {
  if (server.number < minServerVersion) {
    return `${description} has version ${server.version}: PostgreSQL 14 or newer is required`;
  }
  if (server.encoding !== 'UTF8') {
    return `${description} uses the encoding ${server.encoding}: create the database with ENCODING 'UTF8'`;
  }
  const [name, user] = [schema, server.user].map((identifier) =>
    /^[a-z_][a-z0-9_]*$/.test(identifier) ? identifier : pg.escapeIdentifier(identifier),
  );
  if (server.may_use_schema === null) {
    return (
      `${description} has no schema ${name}. Create it with CREATE SCHEMA ${name} AUTHORIZATION ${user}, or correct the ` +
      'parameter schema of DATABASE_URL'
    );
  }
  if (!server.may_use_schema) {
    return `The user ${user} lacks USAGE on the schema ${name} of ${description}: GRANT USAGE ON SCHEMA ${name} TO ${user}`;
  }
  return undefined;
}
