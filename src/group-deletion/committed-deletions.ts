import type { RowJson } from '../database/row-json.ts';
import type { PrismaClient } from '../generated/prisma/client.ts';
import type { DeletionResult, DeletionRequest } from './delete-statement.ts';

/**
 * Looks for deletes whose answer was lost with the connection: by their audit entries, which are committed with them. Returns
 * an answer a request, in order; `undefined` for a delete that was not committed.
 */
export async function findCommittedDeletions(
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
  // A group is deleted once in a minute, even if it is restored and deleted again: clients choose request ids as they like.
  const rows = await prisma.$queryRaw<{ ordinal: number; entryId: bigint; row: RowJson }[]>`
    SELECT request.ordinal, entry.id AS "entryId", entry.before || jsonb_build_object('details', jsonb_build_object(
      'serviceGroup', to_jsonb(service_groups), 'subscriberCount', 0)) AS row
    FROM jsonb_to_recordset(${json}::jsonb) AS request (
      ordinal int, id int, account text, operation text, request_id text)
    CROSS JOIN LATERAL (
      SELECT id, before FROM audit_events
      WHERE audit_events.request_id = request.request_id AND audit_events.account = request.account
        AND audit_events.operation = request.operation AND target_ids = ARRAY[request.id::text]
        AND outcome = 'done' AND at > now() - interval '1 minute'
      ORDER BY id DESC LIMIT 1
    ) AS entry
    LEFT JOIN service_groups ON service_groups.id = (entry.before ->> 'service_group_id')::int
    ORDER BY request.ordinal`;

  const answers: (DeletionResult | undefined)[] = requests.map(() => undefined);
  const entryIds = new Set<bigint>();
  for (const { ordinal, entryId, row } of rows) {
    // Of several requests with the same id and request id one has deleted the group.
    if (entryIds.has(entryId)) continue;
    entryIds.add(entryId);
    answers[ordinal] = { outcome: 'done', row, version: row['version'] as number, subscriberCount: 0 };
  }
  return answers;
}
