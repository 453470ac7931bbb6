import { isOutcomeUnknown } from '../database/database-errors.ts';
import { waitForCommit } from '../database/lost-commit.ts';
import type { RowJson } from '../database/row-json.ts';
import type { PrismaClient } from '../generated/prisma/client.ts';
import type { DeletionResult, DeletionRequest } from './delete-statement.ts';

/**
 * Returns the results of deletes that were committed although the connection was lost.
 * @throws the error if none was
 */
export async function recoverDeletions(
  prisma: PrismaClient,
  requests: readonly DeletionRequest[],
  error: unknown,
): Promise<DeletionResult[]> {
  if (!isOutcomeUnknown(error)) throw error;
  let committed: (DeletionResult | undefined)[] = [];
  await waitForCommit(prisma, error, async () => {
    committed = await findCommittedDeletions(prisma, requests);
    return committed.some((result) => result !== undefined);
  });
  return committed.map((result) => result ?? lostResult);
}

/** The result of a request that deleted nothing in a statement whose result was lost: the reason is unknown. */
const lostResult: DeletionResult = {
  outcome: 'SERVICE_UNAVAILABLE',
  row: {},
  version: 0,
  subscriberCount: 0,
};

/**
 * Finds the deletes that were committed although the connection was lost, by their audit events, which are written in
 * the same transaction. Returns one result per request, in order; `undefined` if the delete was not committed.
 */
async function findCommittedDeletions(
  prisma: PrismaClient,
  requests: readonly DeletionRequest[],
): Promise<(DeletionResult | undefined)[]> {
  const json = JSON.stringify(
    requests.map(({ id, call }, ordinal) => ({
      ordinal,
      id,
      account: call.account,
      operation: call.operation,
      request_id: call.requestId,
    })),
  );
  // Clients choose request ids as they like: an older delete of the group, restored since, may have the same one.
  const rows = await prisma.$queryRaw<{ ordinal: number; eventId: bigint; row: RowJson }[]>`
    SELECT request.ordinal, event.id AS "eventId", event.before || jsonb_build_object('details', jsonb_build_object(
      'serviceGroup', to_jsonb(service_groups), 'subscriberCount', 0)) AS row
    FROM jsonb_to_recordset(${json}::jsonb) AS request (
      ordinal int, id int, account text, operation text, request_id text)
    CROSS JOIN LATERAL (
      SELECT id, before FROM audit_events
      WHERE audit_events.request_id = request.request_id AND audit_events.account = request.account
        AND audit_events.operation = request.operation AND target_ids = ARRAY[request.id::text]
        AND outcome = 'done' AND at > now() - interval '1 minute'
        AND NOT EXISTS (SELECT FROM groups WHERE groups.id = request.id)
      ORDER BY id DESC LIMIT 1
    ) AS event
    LEFT JOIN service_groups ON service_groups.id = (event.before ->> 'service_group_id')::int
    ORDER BY request.ordinal`;

  const results: (DeletionResult | undefined)[] = requests.map(() => undefined);
  const eventIds = new Set<bigint>();
  for (const { ordinal, eventId, row } of rows) {
    // Only one of several requests with the same id and request id deleted the group.
    if (eventIds.has(eventId)) continue;
    eventIds.add(eventId);
    results[ordinal] = { outcome: 'done', row, version: row['version'] as number, subscriberCount: 0 };
  }
  return results;
}
