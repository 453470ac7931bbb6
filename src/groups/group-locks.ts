import type { Transaction } from '../mutations/mutation-runner.ts';

/**
 * Holds groups until the transaction ends: nobody else can edit or delete them, nor subscribe to those that are to `go`;
 * to the one that is to `stay` everybody still can. Answers which of them there are. Always in the order of the ids, and
 * before any subscriber is touched, so that two transactions never wait for each other.
 */
export async function lockGroups(
  transaction: Transaction,
  go: readonly number[],
  stay: number | null = null,
): Promise<ReadonlySet<number>> {
  const found = new Set<number>();
  const lock = async (ids: readonly number[], isGoing: boolean) => {
    const rows = isGoing
      ? await transaction.$queryRaw<{ id: number }[]>`
          SELECT id FROM groups WHERE id = ANY (${ids}::int[]) ORDER BY id FOR UPDATE`
      : await transaction.$queryRaw<{ id: number }[]>`
          SELECT id FROM groups WHERE id = ANY (${ids}::int[]) ORDER BY id FOR NO KEY UPDATE`;
    for (const { id } of rows) found.add(id);
  };

  if (stay === null) await lock(go, true);
  else for (const id of [...go, stay].toSorted((a, b) => a - b)) await lock([id], id !== stay);
  return found;
}
