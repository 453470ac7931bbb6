import { keyReused, keysExpireBefore, type CallRecorder, type Transaction } from '../audit/call-recorder.ts';
import type { Call } from '../audit/call.ts';
import { isConflict, lockNotAvailable, retryOnConflict } from '../database/conflict.ts';
import { sqlStateOf } from '../database/prisma-error.ts';
import type { RowJson } from '../database/row-json.ts';
import { AppError } from '../errors.ts';
import { Prisma, type PrismaClient } from '../generated/prisma/client.ts';
import { moveActiveSubscribers, moveTargetNotFound } from '../subscribers/move-subscribers.ts';
import { createCommitQueue } from './commit-queue.ts';
import { groupNotFound, readGroupRow, type Group } from './group.ts';
import { lockGroups } from './lock-groups.ts';

/** What `deleteGroup` is asked to do. */
export type Deletion = {
  readonly id: number;
  readonly reason: string | null;
  readonly expectedVersion: number | null;
  readonly moveSubscribersTo: number | null;
};

/** One request to the statement. In a transaction that records the call itself, it does not. */
type Request = Pick<Deletion, 'id' | 'reason' | 'expectedVersion'> & {
  readonly call: Call;
  readonly isRecorded: boolean;
  readonly subscribersMoved: number;
};

/** How the statement answers one request: with the row that it deleted, or did before, or with why it did not. */
type Answer = {
  readonly outcome: 'done' | 'replayed' | Refusal;
  readonly row: RowJson;
  readonly version: number;
  readonly subscriberCount: number;
};

type Refusal = BlockerCode | 'IDEMPOTENCY_KEY_REUSED';
export type BlockerCode = 'NOT_FOUND' | 'GROUP_PROTECTED' | 'VERSION_CONFLICT' | 'HAS_ACTIVE_SUBSCRIBERS';

const maxAttempts = 5;

export type GroupDeletion = ReturnType<typeof createGroupDeletion>;

/** The one way to delete groups. What is deleted is kept for `retentionDays`; 0 keeps nothing. */
export function createGroupDeletion(prisma: PrismaClient, recorder: CallRecorder, retentionDays: number) {
  const enqueue = createCommitQueue<Request, Answer>({
    runTogether: (requests) => runStatement(prisma, requests, retentionDays, Prisma.sql`SKIP LOCKED`),
    runAlone: (request) => runAlone(prisma, request, retentionDays),
    // The database is away: nobody knows what became of the statement. A lock that was not had in time undid it.
    isFatal: (error) => error instanceof AppError && sqlStateOf(error) !== lockNotAvailable,
  });

  /** Deletes within the transaction, moving the subscribers where only they are in the way. */
  const deleteWithin = async (transaction: Transaction, deletion: Deletion, call: Call): Promise<RowJson> => {
    const { moveSubscribersTo: target, ...what } = deletion;
    const attempt = async (subscribersMoved: number) => {
      const request = { ...what, call, isRecorded: false, subscribersMoved };
      const [answer] = await runStatement(transaction, [request], retentionDays);
      return answer ?? throwChanging();
    };
    const locked = await lockGroups(transaction, [deletion.id], target);
    let answer = await attempt(0);
    if (target !== null && (answer.outcome === 'done' || answer.outcome === 'HAS_ACTIVE_SUBSCRIBERS')) {
      if (!locked.has(target)) throw moveTargetNotFound('moveSubscribersTo');
    }
    if (target !== null && answer.outcome === 'HAS_ACTIVE_SUBSCRIBERS') {
      answer = await attempt(await moveActiveSubscribers(transaction, deletion.id, target));
    }
    return requireRow(answer);
  };

  return {
    /**
     * Deletes a group and answers the very row that was deleted.
     * @throws AppError NOT_FOUND, GROUP_PROTECTED, VERSION_CONFLICT, HAS_ACTIVE_SUBSCRIBERS, IDEMPOTENCY_KEY_REUSED; and
     * ALREADY_EXISTS where a subscriber to be moved is on the target already.
     */
    async deleteGroup(deletion: Deletion, call: Call): Promise<Group> {
      if (call.isDryRun || deletion.moveSubscribersTo !== null) {
        const row = await retryOnConflict(() =>
          recorder.transact(call, async (transaction) => {
            const deleted = await deleteWithin(transaction, deletion, call);
            return { result: deleted, before: deleted };
          }),
        );
        return readGroupRow(row);
      }

      const answer = await enqueue({ ...deletion, call, isRecorded: true, subscribersMoved: 0 });
      const row = requireRow(answer);
      if (answer.outcome === 'replayed') await recorder.recordReplay(call);
      return readGroupRow(row);
    },

    /**
     * Deletes several groups, all or none, and answers their rows in the order of the ids.
     * @throws AppError with the code of the first blocker, and every one with its id in `blockers`.
     */
    async deleteGroups(ids: readonly number[], reason: string | null, call: Call): Promise<Group[]> {
      const rows = await retryOnConflict(() =>
        recorder.transact(call, async (transaction) => {
          const requests = ids.map((id) => ({
            id,
            reason,
            expectedVersion: null,
            call,
            isRecorded: false,
            subscribersMoved: 0,
          }));
          await lockGroups(transaction, ids);
          const deleted = requireAllRows(ids, await runStatement(transaction, requests, retentionDays));
          return { result: deleted, before: deleted };
        }),
      );
      return rows.map(readGroupRow);
    },
  };
}

/**
 * Runs the one statement that deletes groups. It takes the requests that wait at this moment and does all that a delete
 * promises, with one answer a request; `undefined` says that nothing was done about this one, because the group changed
 * after it was read, or with `SKIP LOCKED` because somebody holds it at this moment.
 *
 * All parts of a WITH see the same snapshot, so what happened is read from RETURNING only. What the snapshot cannot see,
 * a subscriber who arrives meanwhile, the foreign key refuses in the end, with an error that fails the whole statement.
 */
async function runStatement(
  client: Pick<PrismaClient, '$queryRaw'>,
  requests: readonly Request[],
  retentionDays: number,
  whenLocked = Prisma.empty,
): Promise<(Answer | undefined)[]> {
  const json = JSON.stringify(
    requests.map(({ id, reason, expectedVersion, call, isRecorded, subscribersMoved }, ordinal) => ({
      ordinal,
      id,
      expected_version: expectedVersion,
      subscribers_moved: subscribersMoved,
      is_recorded: isRecorded,
      account: call.account,
      credential: call.credential,
      address: call.address,
      user_agent: call.userAgent,
      request_id: call.requestId,
      operation: call.operation,
      reason,
      // A transaction that records the call looks after its key too.
      key: isRecorded ? call.idempotencyKey : null,
      fingerprint: call.fingerprint,
    })),
  );
  const rows = await client.$queryRaw<(Answer & { ordinal: number })[]>`
    WITH request AS MATERIALIZED (
      SELECT * FROM jsonb_to_recordset(${json}::jsonb) AS request (
        ordinal int, id int, expected_version int, subscribers_moved int, is_recorded boolean, account text, credential text,
        address text, user_agent text, request_id text, operation text, reason text, key text, fingerprint text)
    ),
    examined AS MATERIALIZED (
      SELECT request.*, known.response, groups.version,
        (SELECT count(*) FROM subscribers
          WHERE group_id = groups.id AND coalesce(expires_at > now(), true))::int AS active_count,
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
        AND known.key = request.key AND known.created_at > ${keysExpireBefore()}::timestamptz
    ),
    -- Of several requests for one group the first gets it.
    chosen AS MATERIALIZED (
      SELECT DISTINCT ON (id) * FROM examined WHERE refusal IS NULL AND active_count = 0 ORDER BY id, ordinal
    ),
    locked AS MATERIALIZED (
      -- In the order of the ids, as everybody does; and looked at again: the row may have been edited since the snapshot.
      SELECT groups.id, chosen.ordinal FROM groups JOIN chosen USING (id)
      WHERE NOT groups.protected AND groups.version = chosen.version
      ORDER BY groups.id FOR UPDATE OF groups ${whenLocked}
    ),
    deleted AS (
      DELETE FROM groups USING locked WHERE groups.id = locked.id
      RETURNING locked.ordinal, groups.id, group_row(groups) AS row
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
      SELECT account, operation, key, fingerprint, row FROM deleted JOIN request USING (ordinal) WHERE key IS NOT NULL
    ),
    recorded AS (
      INSERT INTO audit_events
        (account, credential, address, user_agent, request_id, operation, target_ids, outcome, reason, before)
      SELECT account, credential, address, user_agent, request_id, operation, ARRAY[deleted.id::text], 'done', reason, row
      FROM deleted JOIN request USING (ordinal)
      WHERE is_recorded
    )
    SELECT examined.ordinal, examined.version, active_count AS "subscriberCount",
      coalesce(deleted.row, examined.response) AS row,
      CASE
        WHEN refusal IS NOT NULL THEN refusal
        WHEN active_count > 0 THEN 'HAS_ACTIVE_SUBSCRIBERS'
        WHEN deleted.ordinal = examined.ordinal THEN 'done'
        -- Another request of this statement got the group. One with a key is to be asked again: it may be a repeated call.
        WHEN deleted.ordinal IS NOT NULL AND examined.key IS NULL THEN 'NOT_FOUND'
      END AS outcome
    FROM examined LEFT JOIN deleted ON deleted.id = examined.id AND refusal IS NULL`;

  const answers: (Answer | undefined)[] = requests.map(() => undefined);
  for (const { ordinal, ...answer } of rows) if (answer.outcome) answers[ordinal] = answer;
  return answers;
}

/** Runs one request until it has an answer. What stood in its way at the same moment is seen by the next attempt. */
async function runAlone(prisma: PrismaClient, request: Request, retentionDays: number): Promise<Answer> {
  let failure: unknown;
  for (let attempt = 0; attempt < maxAttempts; attempt++) {
    try {
      const [answer] = await runStatement(prisma, [request], retentionDays);
      if (answer) return answer;
    } catch (error) {
      if (!isConflict(error)) throw error;
      failure = error;
      await removeExpiredKey(prisma, request.call);
    }
  }
  throw failure ?? throwChanging();
}

async function removeExpiredKey(
  prisma: PrismaClient,
  { account, operation, idempotencyKey: key }: Call,
): Promise<void> {
  if (key === null) return;
  await prisma.idempotencyKey.deleteMany({
    where: { account, operation, key, createdAt: { lte: keysExpireBefore() } },
  });
}

function requireRow(answer: Answer): RowJson {
  if (answer.outcome === 'done' || answer.outcome === 'replayed') return answer.row;
  throw refusalOf(answer.outcome, answer);
}

function requireAllRows(ids: readonly number[], answers: readonly (Answer | undefined)[]): RowJson[] {
  const blockers: { id: number; code: string; message: string }[] = [];
  const rows = answers.map((answer, index) => {
    try {
      return requireRow(answer ?? throwChanging());
    } catch (error) {
      if (!(error instanceof AppError) || error.code === 'SERVICE_UNAVAILABLE') throw error;
      blockers.push({ id: ids[index]!, code: error.code, message: error.message, ...error.details });
      return {};
    }
  });
  const [first] = blockers;
  if (!first) return rows;
  const message = `${blockers.length} of ${ids.length} groups cannot be deleted, so none was. Group ${first.id}: ${first.message}`;
  throw new AppError(first.code as BlockerCode, message, { blockers });
}

/** The refusal of a delete, as every way to delete and its previews word it. */
export function refusalOf(
  outcome: Refusal,
  { version, subscriberCount }: { version: number; subscriberCount: number },
): AppError {
  switch (outcome) {
    case 'NOT_FOUND':
      return groupNotFound();
    case 'GROUP_PROTECTED':
      return new AppError(outcome, 'Cannot delete a protected group');
    case 'VERSION_CONFLICT':
      return new AppError(outcome, `The group has version ${version} by now, not the expected one`, {
        version,
      });
    case 'HAS_ACTIVE_SUBSCRIBERS':
      return new AppError(outcome, 'Cannot delete group with active subscribers', { subscriberCount });
    case 'IDEMPOTENCY_KEY_REUSED':
      return keyReused();
  }
}

function throwChanging(): never {
  throw new AppError(
    'SERVICE_UNAVAILABLE',
    'The group is being changed by others at this moment. Try again later',
  );
}
