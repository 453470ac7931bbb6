import { randomUUID } from 'node:crypto';
import type pg from 'pg';

/**
 * Returns whether a pooler keeps prepared statements by name for its clients, as PgBouncer does since version 1.21: it
 * changes the name of each statement. If PostgreSQL has the name of the client, another session, which the pooler may
 * assign to the next transaction, has no such statement, or that of another client. The client must be in a
 * transaction, in which a pooler does not change its session.
 */
export async function keepsNamedStatements(client: pg.PoolClient): Promise<boolean> {
  const name = `group_api_${randomUUID().replaceAll('-', '')}`;
  const { rows } = await client.query({
    name,
    text: 'SELECT FROM pg_prepared_statements WHERE name = $1',
    values: [name],
  });
  if (rows.length > 0) await client.query(`DEALLOCATE ${name}`);
  return rows.length === 0;
}
