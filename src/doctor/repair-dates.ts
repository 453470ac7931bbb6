import type { MutationRunner, Transaction } from '../mutations/mutation-runner.ts';
import { auditOperations } from '../mutations/audit-operations.ts';
import type { MutationCall } from '../mutations/mutation-call.ts';
import { OperatorError } from '../errors.ts';
import { Prisma } from '../generated/prisma/client.ts';

/** The result of a repair. */
type DateRepair = {
  /** The number of rows of each table whose dates were moved. */
  readonly rows: RepairedRows;
  /** Deleted groups that had active subscribers, which are in the history now. */
  readonly deletedWithSubscribers: readonly {
    readonly groupId: number;
    readonly activeSubscribers: number;
  }[];
};

type RepairedRows = {
  readonly subscribers: number;
  readonly subscriberHistory: number;
  readonly groups: number;
  readonly deletedGroups: number;
  readonly accounts: number;
};

/** The operation of a repair in the audit log, by which a second repair is rejected. */
export const repairOperation = 'repair-dates';
/** The operations that set the date of an account's last change. */
const accountChanges = ['accounts edit', 'accounts rotate', 'accounts disable', 'accounts enable'];
/** The first migration of the version that writes dates in UTC. */
export const firstMigrationInUtc = '0005_text_rules';

/**
 * Corrects dates that versions before 0.2 stored in a database whose time zone is not UTC: those versions wrote a time
 * of UTC as if it were one of `zone`. Rows that this version has written, by its audit log, and dates that the database
 * itself set are left unchanged. Runs in one transaction, at most once per database.
 * @throws OperatorError if the zone is unknown, or there is nothing to repair.
 */
export async function repairDates(
  mutations: MutationRunner,
  zone: string,
  call: MutationCall,
): Promise<DateRepair> {
  return mutations.run(call, async (transaction) => {
    await requireZone(transaction, zone);
    await transaction.$executeRaw`
      LOCK TABLE groups, subscribers, subscriber_history, deleted_groups, moved_subscribers, accounts IN SHARE ROW EXCLUSIVE MODE`;
    const updatedAt = await readUpdateTime(transaction);
    const moved = (date: string) =>
      Prisma.sql`(${Prisma.raw(date)} AT TIME ZONE ${zone}::text AT TIME ZONE 'UTC')`;
    /** True if the audit log has an event of this version, of one of these operations, for a row. */
    const isWrittenSince = (operations: readonly string[], condition: string) => Prisma.sql`EXISTS (
      SELECT FROM audit_events AS event WHERE event.at >= ${updatedAt} AND event.outcome = 'done'
        AND event.operation = ANY (${operations}::text[]) AND ${Prisma.raw(condition)})`;
    const isSubscribedSince = isWrittenSince(
      auditOperations.subscribe,
      `event.after ->> 'username' = username AND (event.after ->> 'starts_at')::timestamptz = starts_at`,
    );
    const isCreatedSince = (id: string) =>
      isWrittenSince(auditOperations.createGroup, `event.target_ids = ARRAY[${id}::text]`);
    // The first target of a retirement is the group, a second one the group to which subscribers are moved.
    const isEditedSince = (id: string) =>
      isWrittenSince(
        [
          ...auditOperations.createGroup,
          ...auditOperations.editGroup,
          ...auditOperations.retireGroup,
          ...auditOperations.cancelRetirement,
        ],
        `event.target_ids @> ARRAY[${id}::text] AND event.target_ids[1] = ${id}::text`,
      );

    const moveSubscriptions = async (table: string) => transaction.$executeRaw`
      UPDATE ${Prisma.raw(table)} SET starts_at = ${moved('starts_at')}, expires_at = CASE WHEN expires_at IS NOT NULL THEN
        -- A time in the hour that summer time skips was stored an hour late.
        greatest(${moved('expires_at')}, ${moved('starts_at')} + interval '1 millisecond') END
      WHERE NOT ${isSubscribedSince}`;
    // By its start, a subscriber who was moved by a delete is recognized.
    await transaction.$executeRaw`
      UPDATE moved_subscribers SET starts_at = ${moved('starts_at')} WHERE NOT ${isSubscribedSince}`;
    const rows: RepairedRows = {
      subscribers: await moveSubscriptions('subscribers'),
      subscriberHistory: await moveSubscriptions('subscriber_history'),
      groups: await transaction.$executeRaw`
        UPDATE groups SET
          created_at = CASE WHEN ${isCreatedSince('groups.id')} THEN created_at ELSE ${moved('created_at')} END,
          updated_at = CASE WHEN ${isEditedSince('groups.id')} THEN updated_at ELSE ${moved('updated_at')} END
        WHERE NOT ${isCreatedSince('groups.id')}`,
      deletedGroups: await transaction.$executeRaw`
        UPDATE deleted_groups SET group_row = group_row || jsonb_build_object(
          'created_at', ${moved(`(group_row ->> 'created_at')::timestamptz`)},
          'updated_at', CASE WHEN ${isEditedSince('deleted_groups.id')} THEN (group_row ->> 'updated_at')::timestamptz
            ELSE ${moved(`(group_row ->> 'updated_at')::timestamptz`)} END)
        WHERE NOT ${isCreatedSince('deleted_groups.id')}`,
      accounts: await transaction.$executeRaw`
        UPDATE accounts SET created_at = ${moved('created_at')},
          updated_at = CASE WHEN ${isWrittenSince(accountChanges, 'event.target_ids = ARRAY[accounts.username]')}
            THEN updated_at ELSE ${moved('updated_at')} END,
          expires_at = CASE WHEN ${isWrittenSince(
            ['accounts edit'],
            `event.target_ids = ARRAY[accounts.username]
             AND (event.after ->> 'expiresAt')::timestamptz = accounts.expires_at
             AND (event.before ->> 'expiresAt') IS DISTINCT FROM (event.after ->> 'expiresAt')`,
          )} THEN expires_at ELSE ${moved('expires_at')} END
        WHERE NOT ${isWrittenSince(['accounts create'], 'event.target_ids = ARRAY[accounts.username]')}`,
    };
    const deletedWithSubscribers = await transaction.$queryRaw<
      DateRepair['deletedWithSubscribers'][number][]
    >`
      SELECT group_id AS "groupId", count(*)::int AS "activeSubscribers" FROM subscriber_history AS history
      WHERE expires_at > removed_at AND EXISTS (
        SELECT FROM audit_events AS event WHERE event.target_ids @> ARRAY[history.group_id::text]
          AND event.at = history.removed_at AND event.outcome = 'done'
          AND event.operation = ANY (${auditOperations.deleteGroup}::text[]))
      GROUP BY group_id ORDER BY group_id`;
    return { result: { rows, deletedWithSubscribers }, after: { zone, ...rows, deletedWithSubscribers } };
  });
}

async function requireZone(transaction: Transaction, zone: string): Promise<void> {
  const zones = await transaction.$queryRaw<unknown[]>`SELECT FROM pg_timezone_names WHERE name = ${zone}`;
  if (zones.length === 0)
    throw new OperatorError(
      `--zone must be the name of a time zone of PostgreSQL, such as Asia/Tehran, not "${zone}"`,
    );
}

/** Returns when the database was updated to the first version that writes in UTC. @throws OperatorError */
async function readUpdateTime(transaction: Transaction): Promise<Date> {
  const [update] = await transaction.$queryRaw<
    { updatedAt: Date; isNew: boolean; repairedAt: Date | null }[]
  >`
    SELECT finished_at AS "updatedAt",
      finished_at - (SELECT min(finished_at) FROM _prisma_migrations) < interval '1 minute' AS "isNew",
      (SELECT max(at) FROM audit_events WHERE operation = ${repairOperation} AND outcome = 'done') AS "repairedAt"
    FROM _prisma_migrations WHERE migration_name = ${firstMigrationInUtc}`;
  if (!update || update.isNew) {
    throw new OperatorError(
      'Nothing to repair: the database was created by a version that writes dates in UTC',
    );
  }
  if (update.repairedAt) {
    throw new OperatorError(
      `The dates were already repaired at ${update.repairedAt.toISOString()}: a second repair would move them again`,
    );
  }
  return update.updatedAt;
}
