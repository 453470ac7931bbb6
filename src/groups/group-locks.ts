import type { Transaction } from '../mutations/mutation-runner.ts';

/**
 * Locks groups until the transaction ends and returns the ids that exist. `exclusiveIds` are locked `FOR UPDATE`, which
 * blocks edits, deletes and new subscriptions; `targetId` is locked `FOR NO KEY UPDATE`, which allows new
 * subscriptions. Locks in id order, and before any subscriber is written (deadlock avoidance).
 */
export async function lockGroups(
  transaction: Transaction,
  exclusiveIds: readonly number[],
  targetId: number | null = null,
): Promise<ReadonlySet<number>> {
  const existing = new Set<number>();
  const lock = async (ids: readonly number[], isExclusive: boolean) => {
    const rows = isExclusive
      ? await transaction.$queryRaw<{ id: number }[]>`
          SELECT id FROM groups WHERE id = ANY (${ids}::int[]) ORDER BY id FOR UPDATE`
      : await transaction.$queryRaw<{ id: number }[]>`
          SELECT id FROM groups WHERE id = ANY (${ids}::int[]) ORDER BY id FOR NO KEY UPDATE`;
    for (const { id } of rows) existing.add(id);
  };

  if (targetId === null) await lock(exclusiveIds, true);
  else {
    const ids = [...exclusiveIds, targetId].toSorted((a, b) => a - b);
    for (const id of ids) await lock([id], id !== targetId);
  }
  return existing;
}
