import type pg from 'pg';

/** How to reset `default_transaction_read_only`, by the source of the setting in `pg_settings`. */
const readOnlyRepairs: Readonly<Record<string, string>> = {
  database: 'ALTER DATABASE %2$I RESET default_transaction_read_only',
  user: 'ALTER ROLE %1$I RESET default_transaction_read_only',
  'database user': 'ALTER ROLE %1$I IN DATABASE %2$I RESET default_transaction_read_only',
  client: 'remove default_transaction_read_only from DATABASE_URL and PGOPTIONS',
};
const readOnlyRepair = 'set default_transaction_read_only = off in the configuration of PostgreSQL';

/** Returns why a database is read-only and what to do, or undefined if it is writable. */
export async function findReadOnlyReason(client: pg.Pool): Promise<string | undefined> {
  const { rows } = await client.query<{ is_standby: boolean; is_read_only: boolean; repair: string }>(
    `SELECT pg_is_in_recovery() AS is_standby, setting = 'on' AS is_read_only,
       format(coalesce($1::jsonb ->> source, $2), current_user, current_database()) AS repair
     FROM pg_settings WHERE name = 'default_transaction_read_only'`,
    [JSON.stringify(readOnlyRepairs), readOnlyRepair],
  );
  const { is_standby: isStandby, is_read_only: isReadOnly, repair } = rows[0]!;
  if (isStandby) return 'It is a standby, which is read-only: set DATABASE_URL to the primary';
  return isReadOnly ? `It is read-only: ${repair}` : undefined;
}
