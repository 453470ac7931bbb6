import type { RowJson } from '../database/row-json.ts';
import { Prisma } from '../generated/prisma/client.ts';
import { runChangeStatement } from '../mutations/change-statement.ts';
import type { MutationCall } from '../mutations/mutation-call.ts';
import type { Transaction } from '../mutations/mutation-runner.ts';
import {
  writeDeletionSteps,
  type DeletionErrorCode,
  type DeletionRequest,
  type DeletionResult,
} from './delete-statement.ts';

/** A group that blocks the delete of several. */
export type BlockedDeletion = Pick<DeletionResult, 'version' | 'subscriberCount'> & {
  readonly id: number;
  /** Null if another transaction locks the group. */
  readonly outcome: DeletionErrorCode | null;
};

/**
 * Deletes all groups or none, with one audit event, and returns their rows. The rows are sent once, to the server; they
 * are joined as text, since `jsonb_agg` copies each value of each row.
 * @throws the error that `reject` creates for the groups that block the delete
 */
export async function runDeleteManyStatement(
  transaction: Transaction,
  call: MutationCall,
  requests: readonly DeletionRequest[],
  retentionDays: number,
  reject: (blocked: readonly BlockedDeletion[]) => Error,
) {
  const { serviceGroup, subscriberCount } = call.selectedDetails;
  const returned = Prisma.raw(serviceGroup || subscriberCount ? 'row' : 'stored');
  const steps = Prisma.sql`
    ${writeDeletionSteps(requests, retentionDays)},
    total AS (
      SELECT array_agg(id::text ORDER BY ordinal) AS target_ids,
        '[' || string_agg(stored::text, ',' ORDER BY ordinal) || ']' AS stored,
        '[' || string_agg(${returned}::text, ',' ORDER BY ordinal) || ']' AS returned,
        jsonb_agg(jsonb_build_object('id', id, 'outcome', outcome, 'version', version, 'subscriberCount', "subscriberCount")
          ORDER BY ordinal) FILTER (WHERE outcome IS DISTINCT FROM 'done')::text AS rejection
      FROM outcome
    ),
    change AS (
      SELECT target_ids, stored::jsonb AS before, NULL::jsonb AS after, returned::json AS row, rejection FROM total
    )`;
  return runChangeStatement<RowJson[]>(transaction, call, steps, (rejection = '[]') =>
    reject(JSON.parse(rejection) as BlockedDeletion[]),
  );
}
