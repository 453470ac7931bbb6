import type { Transaction } from '../mutations/mutation-runner.ts';
import { findUntouchedSamples, removeSamples, type SampleRows } from '../groups/sample-groups.ts';
import { isObstacle, type OutcomeCount } from './import-statements.ts';
import type { RecordKey, RecordKind } from './format.ts';

/** The sample records of a database that nobody has touched, while a file is imported that they may have to give way to. */
export type Samples = Awaited<ReturnType<typeof openSamples>>;

/** How many records of each kind there are. */
export function countRows(rows: SampleRows): Record<keyof SampleRows, number> {
  const { serviceGroups, groups, deletedGroups } = rows;
  return {
    serviceGroups: serviceGroups.length,
    groups: groups.length,
    deletedGroups: deletedGroups.length,
  };
}

/** Finds the samples. No one else may write to the tables meanwhile. */
export async function openSamples(transaction: Transaction) {
  const ids = await findUntouchedSamples(transaction);
  /** Those that may be removed: neither are they yet, nor does the file have them. */
  const left = {
    serviceGroups: new Set(ids.serviceGroups),
    groups: new Set([...ids.groups, ...ids.deletedGroups]),
  };
  let removed: SampleRows = { serviceGroups: [], groups: [], deletedGroups: [] };

  const leftOf = (kind: RecordKind) => (kind === 'serviceGroup' ? left.serviceGroups : left.groups);
  return {
    /** The samples among what is in the way of a batch: they have the lowest ids, and so are among the keys that are named. */
    findInTheWay(kind: RecordKind, outcomes: readonly OutcomeCount[]): number[] {
      return outcomes.flatMap(({ outcome, keys }) =>
        isObstacle(outcome) ? keys.map(([id]) => id).filter((id) => leftOf(kind).has(id)) : [],
      );
    },

    /** Notes that the file has a record, so that it is not removed. */
    markRead(kind: RecordKind, [id]: RecordKey): void {
      leftOf(kind).delete(id);
    },

    /** Removes all samples but those that the file has too, as far as it has been read. */
    async remove(): Promise<void> {
      if (left.serviceGroups.size + left.groups.size === 0) return;
      const rows = await removeSamples(transaction, {
        serviceGroups: ids.serviceGroups.filter((id) => left.serviceGroups.has(id)),
        groups: ids.groups.filter((id) => left.groups.has(id)),
        deletedGroups: ids.deletedGroups.filter((id) => left.groups.has(id)),
      });
      removed = {
        serviceGroups: [...removed.serviceGroups, ...rows.serviceGroups],
        groups: [...removed.groups, ...rows.groups],
        deletedGroups: [...removed.deletedGroups, ...rows.deletedGroups],
      };
      left.serviceGroups.clear();
      left.groups.clear();
    },

    get removed(): SampleRows {
      return removed;
    },
  };
}
