import { Prisma, type PrismaClient } from '../generated/prisma/client.ts';
import type { MutationCall } from './mutation-call.ts';

/** The columns that a writer sets; the database sets `id` and `at`. */
const columns = [
  'account',
  'credential',
  'address',
  'user_agent',
  'request_id',
  'operation',
  'target_ids',
  'outcome',
  'error_code',
  'reason',
  'before',
  'after',
] as const;
type AuditColumn = (typeof columns)[number];
type RequiredColumn =
  'account' | 'credential' | 'address' | 'request_id' | 'operation' | 'target_ids' | 'outcome';

/** An SQL expression for each column of an audit event; an omitted column is NULL. */
type AuditValues = Readonly<Record<RequiredColumn, Prisma.Sql> & Partial<Record<AuditColumn, Prisma.Sql>>>;

/**
 * Writes the statement that inserts one audit event for each row of `source`, a FROM clause; one event without a
 * source. Every audit event is inserted by it, so that an event is in the transaction of its change.
 */
export function insertAuditEvents(values: AuditValues, source: Prisma.Sql = Prisma.empty): Prisma.Sql {
  const written = columns.filter((column) => values[column] !== undefined);
  const expressions = written.map((column) => values[column]!);
  return Prisma.sql`INSERT INTO audit_events (${Prisma.raw(written.join(', '))})
    SELECT ${Prisma.join(expressions)} ${source}`;
}

/** Writes the statement that inserts one audit event for each row of `purged`, a CTE that deletes from an archive. */
export function insertPurgeEvents(
  { account, requestId }: { readonly account: string; readonly requestId: string },
  operation: string,
): Prisma.Sql {
  const { sql } = Prisma;
  return insertAuditEvents(
    {
      account: sql`${account}`,
      credential: sql`'none'`,
      address: sql`'local'`,
      request_id: sql`${requestId}`,
      operation: sql`${operation}`,
      target_ids: sql`ARRAY[id::text]`,
      outcome: sql`'done'`,
      before: sql`group_row`,
    },
    sql`FROM purged`,
  );
}

/** Writes the statement that inserts the audit event of a call whose change is the row of the CTE `change`. */
export function insertChangeEvent(call: MutationCall): Prisma.Sql {
  const { sql } = Prisma;
  return insertAuditEvents(
    {
      ...valuesOfCall(call),
      target_ids: sql`target_ids`,
      outcome: sql`'done'`,
      before: sql`before`,
      after: sql`after`,
    },
    sql`FROM change WHERE rejection IS NULL`,
  );
}

/** The columns of an audit event that describe its call. */
function valuesOfCall({
  account,
  credential,
  address,
  userAgent,
  requestId,
  operation,
  reason,
}: MutationCall) {
  const { sql } = Prisma;
  return {
    account: sql`${account}`,
    credential: sql`${credential}`,
    address: sql`${address}`,
    user_agent: sql`${userAgent}`,
    request_id: sql`${requestId}`,
    operation: sql`${operation}`,
    reason: sql`${reason}`,
  };
}

/** The outcome of a call, and the rows before and after it. */
export type AuditOutcome = {
  readonly outcome: 'done' | 'refused' | 'dry-run' | 'replayed';
  readonly errorCode?: string;
  /** The ids of the call's arguments if omitted. */
  readonly targetIds?: readonly (number | string)[];
  readonly before?: unknown;
  readonly after?: unknown;
};

/** Writes the audit event of a call and returns its id. */
export async function writeAuditEvent(
  client: Pick<PrismaClient, '$queryRaw'>,
  call: MutationCall,
  { outcome, errorCode, targetIds = call.targetIds, before, after }: AuditOutcome,
): Promise<bigint> {
  const { sql } = Prisma;
  const insert = insertAuditEvents({
    ...valuesOfCall(call),
    target_ids: sql`${targetIds.map(String)}::text[]`,
    outcome: sql`${outcome}`,
    error_code: sql`${errorCode ?? null}`,
    before: sql`${toJson(before)}::jsonb`,
    after: sql`${toJson(after)}::jsonb`,
  });
  const [event] = await client.$queryRaw<{ id: bigint }[]>`${insert} RETURNING id`;
  return event!.id;
}

/**
 * Returns whether the audit log has an event of a call since a time. Other calls of the same request have other
 * targets; a call without any may have created its target.
 */
export async function hasAuditEvent(prisma: PrismaClient, call: MutationCall, since: Date): Promise<boolean> {
  const { requestId, account, operation } = call;
  const targets = call.targetIds.length > 0 ? { targetIds: { equals: [...call.targetIds] } } : {};
  const where = { requestId, account, operation, at: { gte: since }, ...targets };
  return (await prisma.auditEvent.count({ where })) > 0;
}

function toJson(row: unknown): string | null {
  return row === undefined ? null : JSON.stringify(row);
}
