import { idempotencyCutoff } from '../mutations/mutation-runner.ts';
import type { MutationCall } from '../mutations/mutation-call.ts';
import type { RowJson } from '../database/row-json.ts';
import { Prisma, type PrismaClient } from '../generated/prisma/client.ts';

/** One request to the statement. */
export type DeletionRequest = {
  readonly id: number;
  readonly reason: string | null;
  readonly expectedVersion: number | null;
  readonly call: MutationCall;
  /** Not within a transaction that looks after the audit and the key of the call itself. */
  readonly isAudited: boolean;
  /** How many subscribers were moved to make this possible, for the archive. */
  readonly subscribersMoved: number;
};

/** How the statement answers one request: with the row that it deleted, or did before, or with why it did not. */
export type DeletionResult = {
  readonly outcome: 'done' | 'replayed' | DeletionErrorCode;
  /** The row with the details of a result: its service group, and that it has no active subscribers. */
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
  /** Not of the statement itself: its answer was lost with the connection. */
  | 'SERVICE_UNAVAILABLE';

/**
 * Runs the one statement that deletes groups. It takes the requests that wait at this moment and does all that a delete
 * promises, with one answer a request; `undefined` says that nothing was done about this one, because the group changed
 * after it was read, or with `SKIP LOCKED` because somebody holds it at this moment.
 *
 * All parts of a WITH see the same snapshot, so what happened is read from RETURNING only. What the snapshot cannot see,
 * a subscriber who arrives meanwhile, the foreign key refuses in the end, with an error that fails the whole statement.
 */
export async function runDeletionStatement(
  client: Pick<PrismaClient, '$queryRaw'>,
  requests: readonly DeletionRequest[],
  retentionDays: number,
  whenLocked?: Prisma.Sql,
): Promise<(DeletionResult | undefined)[]> {
  const statement = writeDeletionStatement(requests, retentionDays, whenLocked);
  const rows = await client.$queryRaw<(DeletionResult & { ordinal: number })[]>(statement);
  const answers: (DeletionResult | undefined)[] = requests.map(() => undefined);
  for (const { ordinal, ...answer } of rows) if (answer.outcome) answers[ordinal] = answer;
  return answers;
}

/** Writes the statement. Its text is always the same, so that PostgreSQL plans it once a connection. */
export function writeDeletionStatement(
  requests: readonly DeletionRequest[],
  retentionDays: number,
  whenLocked = Prisma.empty,
): Prisma.Sql {
  const json = JSON.stringify(
    requests.map(({ id, reason, expectedVersion, call, isAudited, subscribersMoved }, ordinal) => ({
      ordinal,
      id,
      expected_version: expectedVersion,
      subscribers_moved: subscribersMoved,
      is_audited: isAudited,
      account: call.account,
      credential: call.credential,
      address: call.address,
      user_agent: call.userAgent,
      request_id: call.requestId,
      operation: call.operation,
      reason,
      // A transaction that records the call looks after its key too.
      key: isAudited ? call.idempotencyKey : null,
      fingerprint: call.fingerprint,
    })),
  );
  return Prisma.sql`
    WITH request AS MATERIALIZED (
      SELECT * FROM jsonb_to_recordset(${json}::jsonb) AS request (
        ordinal int, id int, expected_version int, subscribers_moved int, is_audited boolean, account text, credential text,
        address text, user_agent text, request_id text, operation text, reason text, key text, fingerprint text)
    ),
    examined AS MATERIALIZED (
      SELECT request.*, known.response, groups.version,
        CASE
          WHEN known.fingerprint = request.fingerprint THEN 'replayed'
          WHEN known.fingerprint IS NOT NULL THEN 'IDEMPOTENCY_KEY_REUSED'
          WHEN groups.id IS NULL THEN 'NOT_FOUND'
          WHEN groups.protected THEN 'GROUP_PROTECTED'
          WHEN groups.version <> request.expected_version THEN 'VERSION_CONFLICT'
        END AS refusal
      FROM request
      LEFT JOIN groups ON groups.id = request.id
      LEFT JOIN idempotency_keys AS known ON known.account = request.account AND known.operation = request.operation
        AND known.key = request.key AND known.created_at > ${idempotencyCutoff()}::timestamptz
    ),
    candidate AS MATERIALIZED (
      -- Once a group, however many ask for it, since there may be a million subscribers to count; the first of them gets it.
      SELECT id, min(ordinal) AS ordinal, min(version) AS version,
        (SELECT count(*) FROM subscribers WHERE group_id = examined.id AND is_active(expires_at))::int AS active_count
      FROM examined WHERE refusal IS NULL GROUP BY id
    ),
    locked AS MATERIALIZED (
      -- In the order of the ids, as everybody does; and looked at again: the row may have been edited since the snapshot.
      SELECT groups.id, candidate.ordinal FROM groups JOIN candidate USING (id)
      WHERE active_count = 0 AND NOT groups.protected AND groups.version = candidate.version
      ORDER BY groups.id FOR UPDATE OF groups ${whenLocked}
    ),
    deleted AS (
      DELETE FROM groups USING locked WHERE groups.id = locked.id
      RETURNING locked.ordinal, groups.id, group_row(groups) AS row
    ),
    result AS (
      SELECT deleted.ordinal, deleted.id, row || jsonb_build_object('details', jsonb_build_object(
        'serviceGroup', to_jsonb(service_groups), 'subscriberCount', 0)) AS response
      FROM deleted LEFT JOIN service_groups ON service_groups.id = (row ->> 'service_group_id')::int
    ),
    ended AS (
      -- After the group, which every other writer locks before its subscribers too.
      DELETE FROM subscribers USING deleted
      WHERE subscribers.group_id = deleted.id AND subscribers.expires_at <= now()
      RETURNING subscribers.*
    ),
    history AS (
      INSERT INTO subscriber_history (group_id, username, starts_at, expires_at)
      SELECT group_id, username, starts_at, expires_at FROM ended
    ),
    archived AS (
      INSERT INTO deleted_groups (id, group_row, deleted_at, deleted_by, reason, purge_at, subscribers_moved)
      SELECT deleted.id, row, now(), account, reason, now() + ${retentionDays}::int * interval '1 day', subscribers_moved
      FROM deleted JOIN request USING (ordinal)
      WHERE ${retentionDays}::int > 0
    ),
    kept_key AS (
      INSERT INTO idempotency_keys (account, operation, key, fingerprint, response)
      SELECT account, operation, key, fingerprint, result.response FROM result JOIN request USING (ordinal)
      WHERE key IS NOT NULL
    ),
    recorded AS (
      INSERT INTO audit_events
        (account, credential, address, user_agent, request_id, operation, target_ids, outcome, reason, before)
      SELECT account, credential, address, user_agent, request_id, operation, ARRAY[deleted.id::text], 'done', reason, row
      FROM deleted JOIN request USING (ordinal)
      WHERE is_audited
      UNION ALL
      SELECT account, credential, address, user_agent, request_id, operation, ARRAY[id::text], 'replayed', reason, NULL
      FROM examined
      WHERE is_audited AND refusal = 'replayed'
    )
    SELECT examined.ordinal, examined.version, active_count AS "subscriberCount",
      coalesce(result.response, examined.response) AS row,
      CASE
        WHEN refusal IS NOT NULL THEN refusal
        WHEN active_count > 0 THEN 'HAS_ACTIVE_SUBSCRIBERS'
        WHEN result.ordinal = examined.ordinal THEN 'done'
        -- Another request of this statement got the group. One with a key is to be asked again: it may be a repeated call.
        WHEN result.ordinal IS NOT NULL AND examined.key IS NULL THEN 'NOT_FOUND'
      END AS outcome
    FROM examined
    LEFT JOIN candidate ON candidate.id = examined.id
    LEFT JOIN result ON result.id = examined.id AND refusal IS NULL`;
}
