import type { Transaction } from '../mutations/mutation-runner.ts';
import type { RowJson } from '../database/row-json.ts';
import { createIdMap, type IdMap } from './id-map.ts';
import { maxId, type LastIds, type RecordKey, type RecordKind } from './format.ts';
import { readLastIds } from './last-ids.ts';
import { lineError } from './read-lines.ts';

/** A record of the file, with the number of its line. */
export type FileRecord = { readonly key: RecordKey; readonly row: RowJson; readonly line: number };

/** The new ids of the records of a file, by the ids that they have in the file. */
export type NewIdMaps = {
  readonly serviceGroups: IdMap;
  readonly groups: IdMap;
  readonly deletedGroups: IdMap;
};

/** Assigns new ids to the records of a file. */
export type NewIds = Awaited<ReturnType<typeof openNewIds>>;

/**
 * Starts to assign ids after the last ones of the database. The sequences are advanced by the caller at the end, so
 * that a rejected import and a dry run leave no gap. The tables must be locked against other writers.
 */
export async function openNewIds(transaction: Transaction) {
  const maps: NewIdMaps = {
    serviceGroups: createIdMap(),
    groups: createIdMap(),
    deletedGroups: createIdMap(),
  };
  const present = await readLastIds(transaction);
  const last = { ...present };
  const nextId = (kind: keyof LastIds, line: number) => {
    if (last[kind] >= maxId) throw lineError(line, `no ids up to ${maxId} are left for new records`);
    return ++last[kind];
  };

  const assignServiceGroups = async (records: readonly FileRecord[]) => {
    const reusedIds = await findEqualServiceGroups(transaction, records, present.serviceGroup);
    return records.map(({ key: [oldId], row, line }) => {
      const id = reusedIds.get(oldId) ?? nextId('serviceGroup', line);
      maps.serviceGroups.add(oldId, id);
      return { ...row, id };
    });
  };
  const assignGroup = ({ key: [oldId], row, line }: FileRecord) => {
    const id = nextId('group', line);
    maps.groups.add(oldId, id);
    const oldServiceGroupId = row['service_group_id'] as number | null | undefined;
    if (oldServiceGroupId == null) return { ...row, id };
    const serviceGroupId = maps.serviceGroups.get(oldServiceGroupId);
    if (serviceGroupId === undefined)
      throw lineError(line, missingFromFile('service group', oldServiceGroupId));
    return { ...row, id, service_group_id: serviceGroupId };
  };
  const assignSubscriber = ({ key: [oldGroupId], row, line }: FileRecord) => {
    const groupId = maps.groups.get(oldGroupId);
    if (groupId === undefined) throw lineError(line, missingFromFile('group', oldGroupId));
    return { ...row, group_id: groupId };
  };
  const assignDeletedGroup = ({ key: [oldId], row, line }: FileRecord) => {
    if (maps.groups.get(oldId) !== undefined)
      throw lineError(line, `group ${oldId} is in the file twice, live and deleted`);
    const id = nextId('group', line);
    maps.deletedGroups.add(oldId, id);
    const groupRow = row['group_row'] as RowJson;
    // As for `restoreGroup`: without its service group if that has been deleted too.
    const serviceGroupId = maps.serviceGroups.get(Number(groupRow['service_group_id'])) ?? null;
    return { ...row, id, group_row: { ...groupRow, id, service_group_id: serviceGroupId } };
  };

  const assignFormerSubscriber = ({ key: [oldGroupId], row, line }: FileRecord) => {
    const groupId = maps.groups.get(oldGroupId) ?? maps.deletedGroups.get(oldGroupId);
    if (groupId === undefined) throw lineError(line, missingFromFile('group', oldGroupId));
    return { ...row, group_id: groupId };
  };

  return {
    maps,

    /** The last ids that are assigned, in the database or here. */
    get lastIds(): LastIds {
      return last;
    },

    /** The numbers of records that got a new id. Reused service groups did not. */
    get counts() {
      return {
        serviceGroups: last.serviceGroup - present.serviceGroup,
        groups: maps.groups.size,
        deletedGroups: maps.deletedGroups.size,
      };
    },

    /**
     * Returns the rows of a batch with new ids and the new ids of what they refer to. A service group gets the id of an
     * equal one of the database, if there is one.
     * @throws AppError BAD_USER_INPUT with the line number if a record refers to one that is not in the file.
     */
    async assign(kind: RecordKind, records: readonly FileRecord[]): Promise<RowJson[]> {
      switch (kind) {
        case 'serviceGroup':
          return assignServiceGroups(records);
        case 'group':
          return records.map(assignGroup);
        case 'subscriber':
          return records.map(assignSubscriber);
        case 'deletedGroup':
          return records.map(assignDeletedGroup);
        case 'formerSubscriber':
          return records.map(assignFormerSubscriber);
      }
    },
  };
}

/**
 * Finds service groups of the database, up to `lastId`, that equal those of a batch in all fields but the id. Returns
 * the lowest id by the id in the file. The condition on the name allows a hash join.
 */
async function findEqualServiceGroups(
  transaction: Transaction,
  records: readonly FileRecord[],
  lastId: number,
): Promise<ReadonlyMap<number, number>> {
  const rows = JSON.stringify(records.map(({ row }) => row));
  const equal = await transaction.$queryRaw<{ oldId: number; id: number }[]>`
    SELECT (line ->> 'id')::int AS "oldId", min(present.id) AS id
    FROM jsonb_array_elements(${rows}::jsonb) AS lines (line)
    JOIN service_groups AS present ON present.name = line ->> 'name' AND present.id <= ${lastId}::int
    WHERE present IS NOT DISTINCT FROM jsonb_populate_record(present, line - 'id')
    GROUP BY 1`;
  return new Map(equal.map(({ oldId, id }) => [oldId, id]));
}

function missingFromFile(what: string, id: number): string {
  return `there is no ${what} ${id} in the file. With new ids, records refer to those of the file only`;
}
