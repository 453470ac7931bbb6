import { insertAuditEvents } from '../mutations/audit-log.ts';
import { idempotencyCutoff } from '../mutations/idempotency.ts';
import type { MutationCall, SelectedDetails } from '../mutations/mutation-call.ts';
import type { RowJson } from '../database/row-json.ts';
import { Prisma, type PrismaClient } from '../generated/prisma/client.ts';

/** One delete in the statement. */
export type DeletionRequest = {
  readonly id: number;
  readonly reason: string | null;
  readonly expectedVersion: number | null;
  readonly call: MutationCall;
  /**
   * Whether the statement writes the audit event and the idempotency key; false in a transaction of the mutation
   * runner.
   */
  readonly isAudited: boolean;
  /** The number of subscribers that were moved before the delete, and the group that they were moved to. */
  readonly subscribersMoved: number;
  readonly movedTo: number | null;
};

/**
 * The result of one request: the deleted row, the stored response of a repeated call, or the reason of the rejection.
 */
export type DeletionResult = {
  readonly outcome: 'done' | 'replayed' | DeletionErrorCode;
  /** The row; if the call selects them, with `details`: the service group, and `subscriberCount: 0`. */
  readonly row: RowJson;
  readonly version: number;
  readonly subscriberCount: number;
};

export type DeletionErrorCode =
  | 'NOT_FOUND'
  | 'GROUP_PROTECTED'
  | 'VERSION_CONFLICT'
  | 'HAS_ACTIVE_SUBSCRIBERS'
  | 'IDEMPOTENCY_KEY_REUSED'
  /** Not returned by the statement: its result was lost with the connection. */
  | 'SERVICE_UNAVAILABLE';

/**
 * Runs the one statement that deletes groups, for a batch of requests. Returns one result per request; `undefined` if
 * nothing was done for it: the group changed after it was read; with `SKIP LOCKED`, another transaction locks it; or it
 * has a key, and another request of the batch deleted the group.
 *
 * All parts of a WITH see the same snapshot, so effects are read from RETURNING only. The snapshot does not see
 * concurrent subscriptions: the foreign key rejects them, and the whole statement fails.
 */
export async function runDeletionStatement(
  client: Pick<PrismaClient, '$queryRaw'>,
  requests: readonly DeletionRequest[],
  retentionDays: number,
  lockOption?: Prisma.Sql,
): Promise<(DeletionResult | undefined)[]> {
  const statement = writeDeletionStatement(requests, retentionDays, lockOption);
  const rows = await client.$queryRaw<(DeletionResult & { ordinal: number })[]>(statement);
  const results: (DeletionResult | undefined)[] = requests.map(() => undefined);
  for (const row of rows) if (row.outcome) results[row.ordinal] = row;
  return results;
}

/** Inserts the audit events: a delete has one, and so has a repeated call. */
const auditInsert = insertAuditEvents(
  {
    account: Prisma.sql`account`,
    credential: Prisma.sql`credential`,
    address: Prisma.sql`address`,
    user_agent: Prisma.sql`user_agent`,
    request_id: Prisma.sql`request_id`,
    operation: Prisma.sql`operation`,
    target_ids: Prisma.sql`ARRAY[request.id::text]`,
    outcome: Prisma.sql`outcome`,
    reason: Prisma.sql`reason`,
    before: Prisma.sql`before`,
  },
  Prisma.sql`FROM request JOIN (
        SELECT ordinal, 'done' AS outcome, row AS before FROM deleted
        UNION ALL
        SELECT ordinal, 'replayed', NULL FROM examined WHERE early_outcome = 'replayed'
      ) AS executed USING (ordinal)
      WHERE is_audited`,
);

/** Returns whether a call selects the details that the statement reads. */
export function hasDetails({ serviceGroup, subscriberCount }: SelectedDetails): boolean {
  return serviceGroup || subscriberCount;
}

/** Writes the statement. Its text never changes, so PostgreSQL plans it once per connection. */
export function writeDeletionStatement(
  requests: readonly DeletionRequest[],
  retentionDays: number,
  lockOption = Prisma.empty,
): Prisma.Sql {
  return Prisma.sql`
    WITH ${writeDeletionSteps(requests, retentionDays, lockOption)},
    new_key AS (
      INSERT INTO idempotency_keys (account, operation, key, fingerprint, response)
      SELECT account, operation, key, fingerprint, result.response FROM result JOIN request USING (ordinal)
      WHERE key IS NOT NULL
    ),
    audited AS (
      ${auditInsert}
    )
    SELECT ordinal, version, "subscriberCount", row, outcome FROM outcome`;
}

/**
 * Writes the CTEs that delete and archive groups. The last one, `outcome`, has a row for each request; `stored` is the
 * deleted row as the audit has it.
 */
export function writeDeletionSteps(
  requests: readonly DeletionRequest[],
  retentionDays: number,
  lockOption = Prisma.empty,
): Prisma.Sql {
  // Not null if no request has a key: PostgreSQL would plan the statement anew for each batch.
  const hasKey = requests.some(({ call }) => call.idempotencyKey !== null);
  const keysSince = hasKey ? idempotencyCutoff() : '-infinity';
  const json = JSON.stringify(
    requests.map(({ id, reason, expectedVersion, call, isAudited, subscribersMoved, movedTo }, ordinal) => ({
      ordinal,
      id,
      expected_version: expectedVersion,
      subscribers_moved: subscribersMoved,
      moved_to: movedTo,
      has_details: hasDetails(call.selectedDetails),
      account: call.account,
      reason,
      // Otherwise the mutation runner writes the event and the key; parsing a thousand requests takes half the time.
      ...(isAudited && {
        is_audited: true,
        credential: call.credential,
        address: call.address,
        user_agent: call.userAgent,
        request_id: call.requestId,
        operation: call.operation,
        key: call.idempotencyKey,
        fingerprint: call.fingerprint,
      }),
    })),
  );
  return Prisma.sql`
    request AS MATERIALIZED (
      SELECT * FROM json_to_recordset(${json}::json) AS request (
        ordinal int, id int, expected_version int, subscribers_moved int, moved_to int, has_details boolean, account text,
        reason text, is_audited boolean, credential text, address text, user_agent text, request_id text, operation text,
        key text, fingerprint text)
    ),
    examined AS MATERIALIZED (
      SELECT request.*, stored.response, groups.version,
        CASE
          WHEN stored.fingerprint = request.fingerprint THEN 'replayed'
          WHEN stored.fingerprint IS NOT NULL THEN 'IDEMPOTENCY_KEY_REUSED'
          WHEN groups.id IS NULL THEN 'NOT_FOUND'
          WHEN groups.protected THEN 'GROUP_PROTECTED'
          WHEN groups.version <> request.expected_version THEN 'VERSION_CONFLICT'
        END AS early_outcome
      FROM request
      LEFT JOIN groups ON groups.id = request.id
      LEFT JOIN idempotency_keys AS stored ON stored.account = request.account AND stored.operation = request.operation
        AND stored.key = request.key AND stored.created_at > ${keysSince}::timestamptz
    ),
    candidate AS MATERIALIZED (
      -- Once per group, since counting may mean a million subscribers. The first request for a group deletes it.
      SELECT id, min(ordinal) AS ordinal, min(version) AS version,
        (SELECT count(*) FROM subscribers WHERE group_id = examined.id AND is_active(expires_at))::int AS active_count
      FROM examined WHERE early_outcome IS NULL GROUP BY id
    ),
    locked AS MATERIALIZED (
      -- In id order, as all writers do (deadlock avoidance). Checked again: the row may have been edited since the
      -- snapshot.
      SELECT groups.id, candidate.ordinal FROM groups JOIN candidate USING (id)
      WHERE active_count = 0 AND NOT groups.protected AND groups.version = candidate.version
      ORDER BY groups.id FOR UPDATE OF groups ${lockOption}
    ),
    deleted AS (
      DELETE FROM groups USING locked WHERE groups.id = locked.id
      RETURNING locked.ordinal, groups.id, group_row(groups) AS row
    ),
    result AS (
      SELECT ordinal, deleted.id, row AS stored,
        CASE WHEN has_details THEN row || jsonb_build_object('details', jsonb_build_object(
          'serviceGroup', to_jsonb(service_groups), 'subscriberCount', 0)) ELSE row END AS response
      FROM deleted JOIN request USING (ordinal)
      LEFT JOIN service_groups ON has_details AND service_groups.id = (row ->> 'service_group_id')::int
    ),
    ended AS (
      -- After the group: every writer locks a group before its subscribers.
      DELETE FROM subscribers USING deleted
      WHERE subscribers.group_id = deleted.id AND subscribers.expires_at <= now()
      RETURNING subscribers.*
    ),
    history AS (
      INSERT INTO subscriber_history (group_id, username, starts_at, expires_at)
      SELECT group_id, username, starts_at, expires_at FROM ended
    ),
    archived AS (
      INSERT INTO deleted_groups (id, group_row, deleted_at, deleted_by, reason, purge_at, subscribers_moved, moved_to)
      SELECT deleted.id, row, now(), account, reason, now() + ${retentionDays}::int * interval '1 day',
        subscribers_moved, moved_to
      FROM deleted JOIN request USING (ordinal)
      WHERE ${retentionDays}::int > 0
    ),
    outcome AS (
      SELECT examined.ordinal, examined.id, examined.version, active_count AS "subscriberCount",
        coalesce(result.response, examined.response) AS row, result.stored,
        CASE
          WHEN early_outcome IS NOT NULL THEN early_outcome
          WHEN active_count > 0 THEN 'HAS_ACTIVE_SUBSCRIBERS'
          WHEN result.ordinal = examined.ordinal THEN 'done'
          -- Another request of this statement deleted the group. A request with a key is retried: it may be a repeated
          -- call.
          WHEN result.ordinal IS NOT NULL AND examined.key IS NULL THEN 'NOT_FOUND'
        END AS outcome
      FROM examined
      LEFT JOIN candidate ON candidate.id = examined.id
      LEFT JOIN result ON result.id = examined.id AND early_outcome IS NULL
    )`;
}
