import type { Transaction } from '../mutations/mutation-runner.ts';
import { findUntouchedSamples, removeSamples, type SampleRows } from '../groups/sample-groups.ts';
import { isConflicting, type OutcomeCount } from './import-statements.ts';
import type { RecordKey, RecordKind } from './format.ts';

/** The unchanged sample records of a database, which an import may replace. */
export type Samples = Awaited<ReturnType<typeof openSamples>>;

/** Counts the records of each kind. */
export function countRows(rows: SampleRows): Record<keyof SampleRows, number> {
  const { serviceGroups, groups, deletedGroups } = rows;
  return {
    serviceGroups: serviceGroups.length,
    groups: groups.length,
    deletedGroups: deletedGroups.length,
  };
}

/** Finds the unchanged samples. The tables must be locked against other writers. */
export async function openSamples(transaction: Transaction) {
  const ids = await findUntouchedSamples(transaction);
  /** The samples that may still be removed: not removed yet, and not in the file. */
  const left = {
    serviceGroups: new Set(ids.serviceGroups),
    groups: new Set([...ids.groups, ...ids.deletedGroups]),
  };
  let removed: SampleRows = { serviceGroups: [], groups: [], deletedGroups: [] };

  const leftOf = (kind: RecordKind) => (kind === 'serviceGroup' ? left.serviceGroups : left.groups);
  return {
    /** Returns the samples that conflict with a batch. They have the lowest ids, and so are among the listed keys. */
    findConflicting(kind: RecordKind, outcomes: readonly OutcomeCount[]): number[] {
      return outcomes.flatMap(({ outcome, keys }) =>
        isConflicting(outcome) ? keys.map(([id]) => id).filter((id) => leftOf(kind).has(id)) : [],
      );
    },

    /** Marks a record of the file, so that it is not removed. */
    markRead(kind: RecordKind, [id]: RecordKey): void {
      leftOf(kind).delete(id);
    },

    /** Removes all samples that are not among the records read so far. */
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

    get hasRemoved(): boolean {
      return removed.groups.length + removed.deletedGroups.length + removed.serviceGroups.length > 0;
    },

    get removed(): SampleRows {
      return removed;
    },
  };
}
