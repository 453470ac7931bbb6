import type { AppError } from '../errors.ts';
import type { Transaction } from '../mutations/mutation-runner.ts';
import { GroupNotFoundError } from './group.ts';
import { groupRetired } from './retirement.ts';

/** The groups that a transaction has locked, by id, with the dates of retired ones. */
type LockedGroups = ReadonlyMap<number, { readonly retiresAt: Date | null }>;

/**
 * Locks groups until the transaction ends and returns those that exist. `exclusiveIds` are locked `FOR UPDATE`, which
 * blocks edits, deletes and new subscriptions; `targetId` is locked `FOR NO KEY UPDATE`, which allows new
 * subscriptions. Locks in id order, and before any subscriber is written (deadlock avoidance).
 */
export async function lockGroups(
  transaction: Transaction,
  exclusiveIds: readonly number[],
  targetId: number | null = null,
): Promise<LockedGroups> {
  const locked = new Map<number, { readonly retiresAt: Date | null }>();
  const lock = async (ids: readonly number[], isExclusive: boolean) => {
    const rows = isExclusive
      ? await transaction.$queryRaw<{ id: number; retiresAt: Date | null }[]>`
          SELECT id, retires_at AS "retiresAt" FROM groups WHERE id = ANY (${ids}::int[]) ORDER BY id FOR UPDATE`
      : await transaction.$queryRaw<{ id: number; retiresAt: Date | null }[]>`
          SELECT id, retires_at AS "retiresAt" FROM groups WHERE id = ANY (${ids}::int[]) ORDER BY id FOR NO KEY UPDATE`;
    for (const { id, retiresAt } of rows) locked.set(id, { retiresAt });
  };

  if (targetId === null) await lock(exclusiveIds, true);
  else {
    const ids = [...exclusiveIds, targetId].toSorted((a, b) => a - b);
    for (const id of ids) await lock([id], id !== targetId);
  }
  return locked;
}

/**
 * Checks that a locked group accepts subscribers. `argument` is the argument with its id.
 * @throws AppError NOT_FOUND, GROUP_RETIRED
 */
export function requireOpenGroup(locked: LockedGroups, id: number, argument: string): void {
  const group = locked.get(id);
  if (!group) throw new GroupNotFoundError(id, argument);
  const { retiresAt } = group;
  if (retiresAt !== null) throw acceptsNoSubscribers({ id, retiresAt }, argument);
}

/** The error of a call that would add subscribers to a retired group. `argument` is the argument with its id. */
export function acceptsNoSubscribers(
  group: { readonly id: number; readonly retiresAt: Date },
  argument: string,
): AppError {
  const remedy = 'Choose another group, or call cancelRetirement first';
  return groupRetired(group, argument, 'accepts no new subscribers', remedy);
}
