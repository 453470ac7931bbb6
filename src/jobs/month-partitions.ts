import type { Config } from '../config/settings.ts';
import { Prisma, type PrismaClient } from '../generated/prisma/client.ts';
import type { Logger } from '../log.ts';
import { insertAuditEvents } from '../mutations/audit-log.ts';

const { sql } = Prisma;

/** A table that is partitioned by month. */
type PartitionedTable = 'audit_events' | 'subscriber_history';

/** Days after which the months of a table are dropped; undefined: never. */
type Retention = { readonly table: PartitionedTable; readonly days: number | undefined };

/** Returns the retention of each partitioned table. */
export function readRetentions(
  config: Pick<Config, 'AUDIT_RETENTION_DAYS' | 'SUBSCRIBER_HISTORY_RETENTION_DAYS'>,
): readonly Retention[] {
  return [
    { table: 'audit_events', days: config.AUDIT_RETENTION_DAYS },
    { table: 'subscriber_history', days: config.SUBSCRIBER_HISTORY_RETENTION_DAYS },
  ];
}

/** The caller of a drop in the audit log. */
type DropCaller = { readonly account: string; readonly requestId: string; readonly credential?: string };

/** A partition all of whose rows are older than the retention. */
type ExpiredPartition = { readonly name: string; readonly until: Date };

/** A lock is waited for this long only, since other statements queue up meanwhile. */
const lockTimeout = '500ms';

/**
 * Creates the missing partitions of the current and the next three months, and returns their number. The database
 * function has the rights of the tables' owner, so that the server's role needs none.
 * @throws AppError SERVICE_UNAVAILABLE if a long statement locks a table; it can be repeated.
 */
export async function createPartitions(prisma: PrismaClient): Promise<number> {
  const [created] = await prisma.$queryRaw<{ count: number }[]>`
    SELECT create_month_partitions('audit_events') + create_month_partitions('subscriber_history') AS count`;
  return created!.count;
}

/** Returns the partitions that `dropPartitions` would drop, the oldest first. */
export async function listExpiredPartitions(
  prisma: Pick<PrismaClient, '$queryRaw'>,
  { table, days }: Retention,
): Promise<ExpiredPartition[]> {
  if (days === undefined) return [];
  return prisma.$queryRaw<ExpiredPartition[]>`
    SELECT partition::text AS name, until FROM month_partitions(${table}::text::regclass)
    WHERE until <= now() - ${days}::int * interval '1 day' ORDER BY until`;
}

/** Returns whether the user of the database owns a table, and so can drop its partitions. */
export async function ownsTable(prisma: PrismaClient, table: PartitionedTable): Promise<boolean> {
  const [row] = await prisma.$queryRaw<{ isOwner: boolean }[]>`
    SELECT pg_has_role(relowner, 'USAGE') AS "isOwner" FROM pg_class WHERE oid = ${table}::text::regclass`;
  return row!.isOwner;
}

/**
 * Drops the partitions all of whose rows are older than the retention, with an audit event, and returns them. Drops
 * nothing if the user of the database does not own the table. Safe to run concurrently on several servers.
 * @throws AppError SERVICE_UNAVAILABLE if a long statement locks the table; it can be repeated.
 */
export async function dropPartitions(
  prisma: PrismaClient,
  retention: Retention,
  { account, requestId, credential = 'none' }: DropCaller,
): Promise<ExpiredPartition[]> {
  const { table } = retention;
  if ((await listExpiredPartitions(prisma, retention)).length === 0) return [];
  if (!(await ownsTable(prisma, table))) return [];
  return prisma.$transaction(async (transaction) => {
    await transaction.$queryRaw`SELECT set_config('lock_timeout', ${lockTimeout}, true)`;
    // Another server waits here, and then finds no expired partition.
    await transaction.$executeRaw`LOCK TABLE ONLY ${Prisma.raw(table)} IN SHARE UPDATE EXCLUSIVE MODE`;
    const expired = await listExpiredPartitions(transaction, retention);
    if (expired.length === 0) return [];
    // PostgreSQL has quoted the names.
    await transaction.$executeRaw`DROP TABLE ${Prisma.raw(expired.map(({ name }) => name).join(', '))}`;
    const after = JSON.stringify({ retentionDays: retention.days, dropped: expired });
    await transaction.$executeRaw(
      insertAuditEvents({
        account: sql`${account}`,
        credential: sql`${credential}`,
        address: sql`'local'`,
        request_id: sql`${requestId}`,
        operation: sql`'partitions'`,
        target_ids: sql`${expired.map(({ name }) => name)}::text[]`,
        outcome: sql`'done'`,
        after: sql`${after}::jsonb`,
      }),
    );
    return expired;
  });
}

/**
 * Drops expired partitions and creates missing ones, and returns how many it has dropped.
 * @throws AppError SERVICE_UNAVAILABLE if a long statement locks a table; it can be repeated.
 */
export async function maintainPartitions(
  prisma: PrismaClient,
  retentions: readonly Retention[],
  caller: DropCaller,
): Promise<number> {
  let dropped = 0;
  for (const retention of retentions) dropped += (await dropPartitions(prisma, retention, caller)).length;
  await createPartitions(prisma);
  return dropped;
}

/** Logs a warning for each retention that this server cannot apply, since its user does not own the table. */
export async function warnOfForeignTables(
  prisma: PrismaClient,
  retentions: readonly Retention[],
  log: Logger,
): Promise<void> {
  for (const { table, days } of retentions) {
    if (days === undefined || (await ownsTable(prisma, table))) continue;
    log.warn(
      { table, retentionDays: days },
      'the user of DATABASE_URL does not own the table, and cannot drop its old months: run `group-api partitions` daily as the owner',
    );
  }
}
