import { camelCaseKeys, formatPrice, type RowJson } from '../database/row-json.ts';
import type { MutationRunner, Transaction } from '../mutations/mutation-runner.ts';
import type { MutationCall } from '../mutations/mutation-call.ts';
import { foreignKeyViolated, isPrismaError } from '../database/prisma-error.ts';
import { isTimeLimit } from '../database/conflict.ts';
import { createTurns } from '../database/turns.ts';
import { badInput } from '../errors.ts';
import type { Group as GroupRow, Prisma, PrismaClient } from '../generated/prisma/client.ts';
import { maxListLength, requireListLength } from '../validation/list-length.ts';
import { toTotalCount, type TotalCount } from '../validation/total-count.ts';
import { GroupNotFoundError, parseGroupRow, type Group, type GroupChanges, type NewGroup } from './group.ts';
import { addGroupDetails } from './group-details.ts';
import type { GroupSearch } from './group-search.ts';
import { groupRetired, type Retirement } from './retirement.ts';
import {
  isIndexed,
  maxWaitingSearches,
  prepareSearch,
  searchTooSlow,
  tooManySearches,
  writeGroupCountStatement,
  writeGroupPageStatement,
} from './group-search-statements.ts';

export type GroupRepository = ReturnType<typeof createGroupRepository>;

/** The groups in the database. */
export function createGroupRepository(prisma: PrismaClient, mutations: MutationRunner) {
  const takeTurn = createTurns(maxWaitingSearches, tooManySearches);

  async function runSearch<Row>(
    { filter }: Pick<GroupSearch, 'filter'>,
    statement: Prisma.Sql,
  ): Promise<Row[]> {
    const run = async () => {
      const [, rows] = await prisma.$transaction([
        prisma.$queryRaw(prepareSearch),
        prisma.$queryRaw<Row[]>(statement),
      ]);
      return rows;
    };
    try {
      return await (isIndexed(filter) ? run() : takeTurn(run));
    } catch (error) {
      throw isTimeLimit(error) ? searchTooSlow(error) : error;
    }
  }

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
    async list(
      filter: { serviceGroupId?: number; hidden?: boolean; retiresAt?: null } = {},
    ): Promise<Group[]> {
      const rows = await prisma.group.findMany({
        where: filter,
        orderBy: { id: 'asc' },
        take: maxListLength + 1,
      });
      return requireListLength(rows, 'Use searchGroups').map(toGroup);
    },

    /**
     * Returns one page of a search, and whether more pages follow. Keyset pagination: every page costs the same.
     * @throws AppError QUERY_TOO_COMPLEX if it takes too long
     */
    async search(search: GroupSearch): Promise<{ nodes: Group[]; hasNextPage: boolean }> {
      const rows = await runSearch<{ row: RowJson }>(search, writeGroupPageStatement(search));
      const nodes = rows.slice(0, search.first).map(({ row }) => parseGroupRow(row));
      return { nodes, hasNextPage: rows.length > search.first };
    },

    /**
     * Counts the groups on all pages of a search.
     * @throws AppError QUERY_TOO_COMPLEX if it takes too long
     */
    async count(search: Pick<GroupSearch, 'filter'>): Promise<TotalCount> {
      const [counted] = await runSearch<{ count: number }>(search, writeGroupCountStatement(search));
      return toTotalCount(counted!.count);
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

    /**
     * @throws AppError NOT_FOUND; BAD_USER_INPUT if the service group does not exist; GROUP_RETIRED if a retired group
     * is to be shown
     */
    async edit(id: number, changes: GroupChanges, call: MutationCall): Promise<Group> {
      const row = await mutations.run(call, async (transaction) => {
        await transaction.$executeRaw`SELECT FROM groups WHERE id = ${id} FOR NO KEY UPDATE`;
        const before = await readRow(transaction, id);
        rejectShowingRetired(changes, parseGroupRow(before));
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

function toGroup(row: GroupRow): Group {
  const retirement = camelCaseKeys(row.retirement) as Retirement | null;
  return { ...row, retirement, price: formatPrice(row.price.toFixed()) };
}

/** @throws AppError GROUP_RETIRED if a change shows a retired group, which `cancelRetirement` does */
function rejectShowingRetired({ hidden }: GroupChanges, { id, retiresAt }: Group): void {
  if (retiresAt === null || hidden !== false) return;
  const remedy = 'cancelRetirement ends the retirement, and restores the former value of hidden';
  throw groupRetired({ id, retiresAt }, 'group.hidden', 'stays hidden', remedy);
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
