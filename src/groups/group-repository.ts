import { formatPrice, type RowJson } from '../database/row-json.ts';
import type { MutationRunner, Transaction } from '../mutations/mutation-runner.ts';
import type { MutationCall } from '../mutations/mutation-call.ts';
import { foreignKeyViolated, isPrismaError } from '../database/prisma-error.ts';
import { customPlan } from '../database/prepared-statements.ts';
import { badInput } from '../errors.ts';
import { Prisma, type Group as GroupRow, type PrismaClient } from '../generated/prisma/client.ts';
import { maxListLength, requireListLength } from '../validation/list-length.ts';
import { GroupNotFoundError, parseGroupRow, type Group, type GroupChanges, type NewGroup } from './group.ts';
import { addGroupDetails } from './group-details.ts';
import type { GroupOrderField, GroupSearch } from './group-search.ts';

export type GroupRepository = ReturnType<typeof createGroupRepository>;

/** The groups in the database. */
export function createGroupRepository(prisma: PrismaClient, mutations: MutationRunner) {
  return {
    /** @throws AppError NOT_FOUND */
    async get(id: number): Promise<Group> {
      const row = await prisma.group.findUnique({ where: { id } });
      if (!row) throw new GroupNotFoundError(id);
      return toGroup(row);
    },

    /** Returns the rows with these ids, in the order of the ids; null if there is no row with an id. */
    async findByIds(ids: readonly number[]): Promise<(Group | null)[]> {
      // One array parameter: a list of parameters has a maximum length, and each length would be planned separately.
      const rows = await prisma.$queryRaw<{ id: number; row: RowJson }[]>`
        SELECT id, group_row(groups) AS row FROM groups WHERE id = ANY (${[...new Set(ids)]}::int[])`;
      const byId = new Map(rows.map(({ id, row }) => [id, parseGroupRow(row)]));
      return ids.map((id) => byId.get(id) ?? null);
    },

    /**
     * Returns all groups that match the filter, sorted by id.
     * @throws AppError QUERY_TOO_COMPLEX if there are too many
     */
    async list(filter: { serviceGroupId?: number; hidden?: boolean } = {}): Promise<Group[]> {
      const rows = await prisma.group.findMany({
        where: filter,
        orderBy: { id: 'asc' },
        take: maxListLength + 1,
      });
      return requireListLength(rows, 'Use searchGroups').map(toGroup);
    },

    /** Returns one page of a search, and whether more pages follow. Keyset pagination: every page costs the same. */
    async search(search: GroupSearch): Promise<{ nodes: Group[]; hasNextPage: boolean }> {
      const rows = await prisma.$queryRaw<{ row: RowJson }[]>`
        SELECT group_row(groups) AS row FROM groups
        WHERE ${whereFilter(search)} AND ${whereAfterCursor(search)}
        ORDER BY ${orderBy(search)} LIMIT ${search.first + 1}`;
      const nodes = rows.slice(0, search.first).map(({ row }) => parseGroupRow(row));
      return { nodes, hasNextPage: rows.length > search.first };
    },

    /** Returns the number of groups on all pages of a search. */
    async count(search: GroupSearch): Promise<number> {
      const [counted] = await prisma.$queryRaw<{ count: number }[]>`
        SELECT count(*)::int AS count FROM groups WHERE ${whereFilter(search)}`;
      return counted!.count;
    },

    /** @throws AppError BAD_USER_INPUT if the service group does not exist */
    async create(group: NewGroup, call: MutationCall): Promise<Group> {
      const row = await mutations.run(call, async (transaction) => {
        const { id } = await rejectUnknownServiceGroup(
          group,
          transaction.group.create({ data: group, select: { id: true } }),
        );
        const created = await readRow(transaction, id);
        const result = await addGroupDetails(transaction, created, call.selectedDetails);
        return { result, targetIds: [id], after: created };
      });
      return parseGroupRow(row);
    },

    /** @throws AppError NOT_FOUND; BAD_USER_INPUT if the service group does not exist */
    async edit(id: number, changes: GroupChanges, call: MutationCall): Promise<Group> {
      const row = await mutations.run(call, async (transaction) => {
        await transaction.$executeRaw`SELECT FROM groups WHERE id = ${id} FOR NO KEY UPDATE`;
        const before = await readRow(transaction, id);
        const data = { ...changes, version: { increment: 1 }, updatedAt: new Date() };
        await rejectUnknownServiceGroup(
          changes,
          transaction.group.update({ where: { id }, data, select: { id: true } }),
        );
        const after = await readRow(transaction, id);
        const result = await addGroupDetails(transaction, after, call.selectedDetails);
        return { result, before, after };
      });
      return parseGroupRow(row);
    },
  };
}

/** The column of each sort order, and its SQL type, to which the text of a cursor value is cast. */
const columnOf: Record<GroupOrderField, { readonly name: string; readonly type: string }> = {
  ID: { name: 'id', type: 'int' },
  NAME: { name: 'name', type: 'text' },
  PRICE: { name: 'price', type: 'numeric' },
  DURATION: { name: 'duration', type: 'int' },
  CREATED_AT: { name: 'created_at', type: 'timestamptz' },
};

function whereFilter({ filter }: GroupSearch): Prisma.Sql {
  const { text, tagName, serviceGroupId, minPrice, maxPrice, minDuration, maxDuration, hidden } = filter;
  const conditions = [
    // The same expression as in the index groups_search_idx.
    text !== undefined &&
      Prisma.sql`fold_text(name || E'\\x01' || tag_name || E'\\x01' || description) LIKE fold_pattern(${text}) ${Prisma.raw(customPlan)}`,
    tagName !== undefined && Prisma.sql`tag_name = ${tagName}`,
    serviceGroupId !== undefined && Prisma.sql`service_group_id = ${serviceGroupId}::int`,
    hidden !== undefined && Prisma.sql`hidden = ${hidden}::boolean`,
    minPrice !== undefined && Prisma.sql`price >= ${minPrice}::numeric`,
    maxPrice !== undefined && Prisma.sql`price <= ${maxPrice}::numeric`,
    minDuration !== undefined && Prisma.sql`duration >= ${minDuration}::int`,
    maxDuration !== undefined && Prisma.sql`duration <= ${maxDuration}::int`,
  ];
  return Prisma.join([Prisma.sql`true`, ...conditions.filter((condition) => condition !== false)], ' AND ');
}

/** The rows after the cursor. PostgreSQL needs the separate bound on the column to start inside the index. */
function whereAfterCursor({ after, field, direction }: GroupSearch): Prisma.Sql {
  if (!after) return Prisma.sql`true`;
  const { name, type } = columnOf[field];
  const column = Prisma.raw(name);
  const beyond = Prisma.raw(direction === 'ASC' ? '>' : '<');
  if (name === 'id') return Prisma.sql`id ${beyond} ${after.id}::int`;
  const key = Prisma.sql`${String(after.key)}::text::${Prisma.raw(type)}`;
  return Prisma.sql`${column} ${beyond}= ${key} AND (${column} ${beyond} ${key} OR (${column} = ${key} AND id ${beyond} ${after.id}::int))`;
}

/** The id is sorted in the same direction as the column, so that an index on both can be used. */
function orderBy({ field, direction }: GroupSearch): Prisma.Sql {
  const { name } = columnOf[field];
  return Prisma.raw(name === 'id' ? `id ${direction}` : `${name} ${direction}, id ${direction}`);
}

function toGroup(row: GroupRow): Group {
  return { ...row, price: formatPrice(row.price.toFixed()) };
}

async function readRow(transaction: Transaction, id: number): Promise<RowJson> {
  const [result] = await transaction.$queryRaw<
    { row: RowJson }[]
  >`SELECT group_row(groups) AS row FROM groups WHERE id = ${id}`;
  if (!result) throw new GroupNotFoundError(id);
  return result.row;
}

async function rejectUnknownServiceGroup<T>({ serviceGroupId }: GroupChanges, write: Promise<T>): Promise<T> {
  try {
    return await write;
  } catch (error) {
    if (!isPrismaError(error, foreignKeyViolated)) throw error;
    throw badInput(
      'group.serviceGroupId',
      `There is no service group ${serviceGroupId}. serviceGroups lists them`,
    );
  }
}
