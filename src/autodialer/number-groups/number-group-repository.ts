import type { MutationRunner, Transaction } from '../../mutations/mutation-runner.ts';
import type { MutationCall } from '../../mutations/mutation-call.ts';
import { customPlan } from '../../database/prepared-statements.ts';
import type { RowJson } from '../../database/row-json.ts';
import { Prisma, type PrismaClient } from '../../generated/prisma/client.ts';
import {
  createNumberGroupId,
  numberGroupNotFound,
  readNumberGroupRow,
  type NumberGroup,
  type NumberGroupFields,
} from './number-group.ts';
import { detachList, type NumberSource } from './number-list-repository.ts';

/** The vendor's names of sort keys. */
export type SortKey = 'name' | 'date' | 'count' | 'description' | '_id';

/** A search for number groups. */
export type NumberGroupSearch = {
  /** True if values must contain the conditions, compared by fold_text(); false if they must be equal. */
  readonly alike: boolean;
  /** An empty condition matches all groups. */
  readonly conditions: { readonly name: string; readonly description: string };
  readonly start: number;
  readonly count: number;
  /** Sort keys, most significant first; the id breaks ties. */
  readonly sorting: readonly (readonly [SortKey, 'ascending' | 'descending'])[];
};

/** Adds, updates, removes and searches number groups. */
export type NumberGroupRepository = ReturnType<typeof createNumberGroupRepository>;

/** Creates the repository. Removed groups are archived for `retentionDays`; 0 disables the archive. */
export function createNumberGroupRepository(
  prisma: PrismaClient,
  mutations: MutationRunner,
  retentionDays: number,
) {
  return {
    /** Adds a group, and returns its id. @throws AppError BAD_USER_INPUT; NOT_FOUND if there is no such upload. */
    async addNumberGroup(
      { name, description = '' }: NumberGroupFields & { name: string },
      source: NumberSource,
      call: MutationCall,
    ): Promise<string> {
      const id = createNumberGroupId();
      const added = await mutations.run(call, async (transaction) => {
        const list = await source.attach(transaction);
        const [group] = await transaction.$queryRaw<{ row: RowJson }[]>`
          INSERT INTO number_groups (id, name, description, count, list_id)
          VALUES (${id}, ${name}, ${description}, ${list.count}, ${list.id})
          RETURNING number_group_row(number_groups) AS row`;
        return { result: { id }, targetIds: [id], after: group!.row };
      });
      return added.id;
    },

    /**
     * Updates the given fields. @throws AppError BAD_USER_INPUT; NOT_FOUND if there is no such group, or no such
     * upload.
     */
    async updateNumberGroup(
      id: string,
      { name, description }: NumberGroupFields,
      source: NumberSource | undefined,
      call: MutationCall,
    ): Promise<NumberGroup> {
      const row = await mutations.run(call, async (transaction) => {
        const before = await lockRow(transaction, id);
        const list = await source?.attach(transaction);
        const [group] = await transaction.$queryRaw<{ row: RowJson }[]>`
          UPDATE number_groups SET name = coalesce(${name ?? null}, name),
            description = coalesce(${description ?? null}, description),
            count = coalesce(${list?.count ?? null}::int, count), list_id = coalesce(${list?.id ?? null}::bigint, list_id)
          WHERE id = ${id} RETURNING number_group_row(number_groups) AS row`;
        if (list) await detachList(transaction, readNumberGroupRow(before).listId);
        return { result: group!.row, before, after: group!.row };
      });
      return readNumberGroupRow(row);
    },

    /** Moves a group to the archive; its list is unchanged. @throws AppError NOT_FOUND */
    async removeNumberGroup(id: string, call: MutationCall): Promise<void> {
      await mutations.run(call, async (transaction) => {
        const [removed] = await transaction.$queryRaw<{ row: RowJson }[]>`
          WITH removed AS (DELETE FROM number_groups WHERE id = ${id} RETURNING id, list_id, number_group_row(number_groups) AS row),
          archived AS (
            INSERT INTO deleted_number_groups (id, group_row, list_id, deleted_at, deleted_by, purge_at)
            SELECT id, row, list_id, now(), ${call.account}, now() + ${retentionDays}::int * interval '1 day' FROM removed
            WHERE ${retentionDays}::int > 0
          ),
          released AS (
            UPDATE number_lists SET unused_since = now() FROM removed
            WHERE number_lists.id = removed.list_id AND ${retentionDays}::int = 0
          )
          SELECT row FROM removed`;
        if (!removed) throw numberGroupNotFound();
        return { result: { id }, before: removed.row };
      });
    },

    /** Returns one page of a search, and the number of matching groups on all pages. */
    async searchNumberGroups(search: NumberGroupSearch): Promise<{ groups: NumberGroup[]; total: number }> {
      const where = Prisma.sql`WHERE ${writeConditions(search)} ${Prisma.raw(customPlan)}`;
      const [groups, [counted]] = await Promise.all([
        prisma.$queryRaw<NumberGroup[]>`
          SELECT id, name, description, count, created_at AS "createdAt", list_id AS "listId" FROM number_groups
          ${where} ORDER BY ${writeOrder(search)} LIMIT ${search.count} OFFSET ${search.start}`,
        prisma.$queryRaw<{ total: number }[]>`SELECT count(*)::int AS total FROM number_groups ${where}`,
      ]);
      return { groups, total: counted!.total };
    },
  };
}

async function lockRow(transaction: Transaction, id: string): Promise<RowJson> {
  const [group] = await transaction.$queryRaw<{ row: RowJson }[]>`
    SELECT number_group_row(number_groups) AS row FROM number_groups WHERE id = ${id} FOR NO KEY UPDATE`;
  if (!group) throw numberGroupNotFound();
  return group.row;
}

const columns = ['name', 'description'] as const;

function writeConditions({ alike, conditions }: NumberGroupSearch): Prisma.Sql {
  const conditionColumns = columns.filter((column) => conditions[column] !== '');
  const terms = conditionColumns.map((column) => {
    const value = conditions[column];
    if (!alike) return Prisma.sql`${Prisma.raw(column)} = ${value}`;
    return Prisma.sql`${Prisma.raw(`${column}_key`)} LIKE fold_pattern(${value})`;
  });
  return Prisma.join([Prisma.sql`true`, ...terms], ' AND ');
}

const columnOf: Record<SortKey, string> = {
  name: 'name',
  date: 'created_at',
  count: 'count',
  description: 'description',
  _id: 'id',
};

/** Sorts the id in the direction of the last key, so that an index on both can be used. */
function writeOrder({ sorting }: NumberGroupSearch): Prisma.Sql {
  const last = sorting.at(-1)?.[1] ?? 'ascending';
  const terms = [...sorting, ['_id', last] as const].map(
    ([key, direction]) => `${columnOf[key]} ${direction === 'ascending' ? 'ASC' : 'DESC'}`,
  );
  return Prisma.raw(terms.join(', '));
}
