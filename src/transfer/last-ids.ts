import type { Transaction } from '../mutations/mutation-runner.ts';
import type { LastIds } from './format.ts';

/**
 * Reads the last ids that the database has assigned, so that ids are never reused, not even those of purged groups.
 * Includes the ids of rows that were inserted without the sequence.
 */
export async function readLastIds(transaction: Transaction): Promise<LastIds> {
  const [last] = await transaction.$queryRaw<LastIds[]>`
    SELECT greatest(
        (SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM service_groups_id_seq),
        (SELECT max(id) FROM service_groups)
      )::int AS "serviceGroup",
      greatest(
        (SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM groups_id_seq),
        (SELECT max(id) FROM groups),
        (SELECT max(id) FROM deleted_groups),
        (SELECT max(group_id) FROM subscriber_history)
      )::int AS "group"`;
  return last!;
}
