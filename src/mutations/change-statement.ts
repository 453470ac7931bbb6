import type { RowJson } from '../database/row-json.ts';
import { Prisma } from '../generated/prisma/client.ts';
import { insertChangeEvent } from './audit-log.ts';
import type { MutationCall } from './mutation-call.ts';
import type { Transaction, AuditedChange } from './mutation-runner.ts';

/** The result of a change, and the audit event for the mutation runner. */
type Change<Row> = AuditedChange & { readonly row: Row };

/**
 * Runs a change and writes its audit event in one statement, so that the rows before and after it stay in PostgreSQL.
 * `steps` are CTEs, separated by commas. The last one is named `change`, and has the columns
 * - `target_ids` (text[]), `before` and `after` (jsonb) of the audit event;
 * - `row` (jsonb or json): the row after the change, or the deleted row or rows;
 * - `rejection` (text): why nothing was changed, otherwise null.
 *
 * All parts of a WITH see the same snapshot, so effects are read from RETURNING only. The event of a dry run is left to
 * the runner, which writes it after the rollback.
 * @throws the error that `reject` creates for a rejection, or for a `change` without a row
 */
export async function runChangeStatement<Row = RowJson>(
  transaction: Transaction,
  call: MutationCall,
  steps: Prisma.Sql,
  reject: (rejection: string | undefined) => Error,
): Promise<Change<Row>> {
  const { sql } = Prisma;
  const statement = call.isDryRun
    ? sql`WITH ${steps}
        SELECT row, rejection, target_ids AS "targetIds", before, after FROM change`
    : sql`WITH ${steps}, audited AS (${insertChangeEvent(call)} RETURNING id)
        SELECT row, rejection, (SELECT id FROM audited) AS "eventId" FROM change`;
  const [change] =
    await transaction.$queryRaw<(Change<Row> & { readonly rejection: string | null })[]>(statement);
  if (!change || change.rejection !== null) throw reject(change?.rejection ?? undefined);
  return change;
}
