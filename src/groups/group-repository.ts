import { foreignKeyViolated, isPrismaError, recordNotFound } from '../database/prisma-error.ts';
import { AppError, badInput } from '../errors.ts';
import type { GroupOrderField } from '../generated/graphql.ts';
import type { Group as GroupRow, Prisma, PrismaClient } from '../generated/prisma/client.ts';
import { maxListLength, requireListLength } from '../list-length.ts';
import { formatPrice, groupNotFound, type Group, type GroupChanges, type NewGroup } from './group.ts';
import type { GroupSearch } from './group-search.ts';

export type GroupRepository = ReturnType<typeof createGroupRepository>;

/** The groups in the database. */
export function createGroupRepository(prisma: PrismaClient) {
  return {
    /** @throws AppError NOT_FOUND */
    async group(id: number): Promise<Group> {
      const row = await prisma.group.findUnique({ where: { id } });
      if (!row) throw groupNotFound();
      return toGroup(row);
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
    async createGroup(group: NewGroup): Promise<Group> {
      try {
        return toGroup(await prisma.group.create({ data: group }));
      } catch (error) {
        throw isPrismaError(error, foreignKeyViolated) ? noSuchServiceGroup() : error;
      }
    },

    /** @throws AppError NOT_FOUND, or BAD_USER_INPUT where there is no such service group. */
    async editGroup(id: number, changes: GroupChanges): Promise<Group> {
      try {
        const data = { ...changes, version: { increment: 1 }, updatedAt: new Date() };
        return toGroup(await prisma.group.update({ where: { id }, data }));
      } catch (error) {
        if (isPrismaError(error, recordNotFound)) throw groupNotFound();
        throw isPrismaError(error, foreignKeyViolated) ? noSuchServiceGroup() : error;
      }
    },

    /**
     * Deletes the row, with one statement, and answers that very row. Of several that delete one id at the same time
     * exactly one gets it.
     * @throws AppError NOT_FOUND, GROUP_PROTECTED
     */
    async deleteGroup(id: number): Promise<Group> {
      try {
        return toGroup(await prisma.group.delete({ where: { id, protected: false } }));
      } catch (error) {
        if (!isPrismaError(error, recordNotFound)) throw error;
        // Only a refusal is looked into; nothing hangs on the row that this reads.
        if (!(await prisma.group.findUnique({ where: { id }, select: { id: true } }))) throw groupNotFound();
        throw new AppError('GROUP_PROTECTED', 'Cannot delete a protected group');
      }
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

function noSuchServiceGroup(): AppError {
  return badInput('group.serviceGroupId', 'There is no service group with this id');
}
