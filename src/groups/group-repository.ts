import type { CallRecorder, Transaction } from '../audit/call-recorder.ts';
import type { Call } from '../audit/call.ts';
import { foreignKeyViolated, isPrismaError } from '../database/prisma-error.ts';
import type { RowJson } from '../database/row-json.ts';
import { badInput } from '../errors.ts';
import type { Group as GroupRow, Prisma, PrismaClient } from '../generated/prisma/client.ts';
import { maxListLength, requireListLength } from '../list-length.ts';
import {
  formatPrice,
  groupNotFound,
  readGroupRow,
  type Group,
  type GroupChanges,
  type NewGroup,
} from './group.ts';
import { addGroupDetails } from './group-details.ts';
import type { GroupOrderField, GroupSearch } from './group-search.ts';

export type GroupRepository = ReturnType<typeof createGroupRepository>;

/** The groups in the database. */
export function createGroupRepository(prisma: PrismaClient, recorder: CallRecorder) {
  return {
    /** @throws AppError NOT_FOUND */
    async group(id: number): Promise<Group> {
      const row = await prisma.group.findUnique({ where: { id } });
      if (!row) throw groupNotFound();
      return toGroup(row);
    },

    /** Those with these ids, in the order of the ids; null where there is none. */
    async groupsById(ids: readonly number[]): Promise<(Group | null)[]> {
      const rows = await prisma.group.findMany({ where: { id: { in: [...ids] } } });
      const byId = new Map(rows.map((row) => [row.id, toGroup(row)]));
      return ids.map((id) => byId.get(id) ?? null);
    },

    /** All that have these marks, by id. @throws AppError QUERY_TOO_COMPLEX where there are too many. */
    async groups(marks: { serviceGroupId?: number; hidden?: boolean } = {}): Promise<Group[]> {
      const rows = await prisma.group.findMany({
        where: marks,
        orderBy: { id: 'asc' },
        take: maxListLength + 1,
      });
      return requireListLength(rows, 'Use searchGroups').map(toGroup);
    },

    /** One page of a search, and whether more lie behind it. The page's place does not change its cost. */
    async searchGroups(search: GroupSearch): Promise<{ nodes: Group[]; hasNextPage: boolean }> {
      const direction = search.direction === 'ASC' ? 'asc' : 'desc';
      const column = columnOf[search.field];
      const rows = await prisma.group.findMany({
        where: { AND: [whereFilter(search), whereBehind(search)] },
        orderBy: column === 'id' ? { id: direction } : [{ [column]: direction }, { id: direction }],
        take: search.first + 1,
      });
      return { nodes: rows.slice(0, search.first).map(toGroup), hasNextPage: rows.length > search.first };
    },

    /** How many groups a search finds on all its pages. */
    async countGroups(search: GroupSearch): Promise<number> {
      return prisma.group.count({ where: whereFilter(search) });
    },

    /** @throws AppError BAD_USER_INPUT where there is no such service group. */
    async createGroup(group: NewGroup, call: Call): Promise<Group> {
      const row = await recorder.transact(call, async (transaction) => {
        const { id } = await refuseUnknownServiceGroup(
          transaction.group.create({ data: group, select: { id: true } }),
        );
        const created = await readRow(transaction, id);
        const result = await addGroupDetails(transaction, created, call.selectedDetails);
        return { result, targetIds: [id], after: created };
      });
      return readGroupRow(row);
    },

    /** @throws AppError NOT_FOUND, or BAD_USER_INPUT where there is no such service group. */
    async editGroup(id: number, changes: GroupChanges, call: Call): Promise<Group> {
      const row = await recorder.transact(call, async (transaction) => {
        await transaction.$executeRaw`SELECT FROM groups WHERE id = ${id} FOR NO KEY UPDATE`;
        const before = await readRow(transaction, id);
        const data = { ...changes, version: { increment: 1 }, updatedAt: new Date() };
        await refuseUnknownServiceGroup(
          transaction.group.update({ where: { id }, data, select: { id: true } }),
        );
        const after = await readRow(transaction, id);
        const result = await addGroupDetails(transaction, after, call.selectedDetails);
        return { result, before, after };
      });
      return readGroupRow(row);
    },
  };
}

const columnOf = {
  ID: 'id',
  NAME: 'name',
  PRICE: 'price',
  DURATION: 'duration',
  CREATED_AT: 'createdAt',
} as const satisfies Record<GroupOrderField, keyof GroupRow>;

function whereFilter({ filter }: GroupSearch): Prisma.GroupWhereInput {
  const { text, tagName, serviceGroupId, minPrice, maxPrice, minDuration, maxDuration, hidden } = filter;
  return {
    ...(text !== undefined && {
      OR: (['name', 'description', 'tagName'] as const).map((column) => ({
        [column]: { contains: escapeLikePattern(text), mode: 'insensitive' },
      })),
    }),
    ...(tagName !== undefined && { tagName }),
    ...(serviceGroupId !== undefined && { serviceGroupId }),
    ...(hidden !== undefined && { hidden }),
    price: {
      ...(minPrice !== undefined && { gte: minPrice }),
      ...(maxPrice !== undefined && { lte: maxPrice }),
    },
    duration: {
      ...(minDuration !== undefined && { gte: minDuration }),
      ...(maxDuration !== undefined && { lte: maxDuration }),
    },
  };
}

/** The rows behind the cursor. The bound on the column alone is what lets PostgreSQL begin inside the index. */
function whereBehind({ after, field, direction }: GroupSearch): Prisma.GroupWhereInput {
  if (!after) return {};
  const column = columnOf[field];
  const beyond = direction === 'ASC' ? 'gt' : 'lt';
  if (column === 'id') return { id: { [beyond]: after.id } };
  return {
    [column]: { [`${beyond}e`]: after.key },
    OR: [{ [column]: { [beyond]: after.key } }, { [column]: after.key, id: { [beyond]: after.id } }],
  };
}

/** Prisma hands the text of `contains` to LIKE as it is. */
function escapeLikePattern(text: string): string {
  return text.replace(/[\\%_]/g, '\\$&');
}

function toGroup(row: GroupRow): Group {
  return { ...row, price: formatPrice(row.price.toFixed()) };
}

async function readRow(transaction: Transaction, id: number): Promise<RowJson> {
  const [found] = await transaction.$queryRaw<
    { row: RowJson }[]
  >`SELECT group_row(groups) AS row FROM groups WHERE id = ${id}`;
  if (!found) throw groupNotFound();
  return found.row;
}

async function refuseUnknownServiceGroup<T>(write: Promise<T>): Promise<T> {
  try {
    return await write;
  } catch (error) {
    if (!isPrismaError(error, foreignKeyViolated)) throw error;
    throw badInput('group.serviceGroupId', 'There is no service group with this id');
  }
}
