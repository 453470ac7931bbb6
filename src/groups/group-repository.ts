import {
  camelCaseKeys,
  formatPrice,
  parseTimestamp,
  toRowJson,
  withRowDefaults,
  type RowJson,
} from '../database/row-json.ts';
import type { MutationRunner, Transaction } from '../mutations/mutation-runner.ts';
import type { MutationCall } from '../mutations/mutation-call.ts';
import { runChangeStatement } from '../mutations/change-statement.ts';
import { foreignKeyViolation, sqlStateOf } from '../database/prisma-error.ts';
import { isTimeLimit } from '../database/conflict.ts';
import { createQueue } from '../database/queue.ts';
import { badInput, type AppError } from '../errors.ts';
import { Prisma, type Group as GroupRow, type PrismaClient } from '../generated/prisma/client.ts';
import { readLongList } from '../validation/list-length.ts';
import { toTotalCount, type TotalCount } from '../validation/total-count.ts';
import {
  groupInputColumns,
  GroupNotFoundError,
  parseGroupRow,
  type Group,
  type GroupChanges,
  type NewGroup,
} from './group.ts';
import { addGroupDetails } from './group-details.ts';
import type { GroupSearch } from './group-search.ts';
import { computeRadiusAttributes } from './radius-attribute-statements.ts';
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
  const enqueue = createQueue(maxWaitingSearches, tooManySearches);

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
      return await (isIndexed(filter) ? run() : enqueue(run));
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

    /** Returns the RADIUS attributes of these groups, which may be deleted, in their order, with one query. */
    radiusAttributes: (list: readonly Group[]) => computeRadiusAttributes(prisma, list),

    /**
     * Returns all groups that match the filter, sorted by id.
     * @throws AppError QUERY_TOO_COMPLEX if there are too many
     */
    async list(
      filter: { serviceGroupId?: number; hidden?: boolean; retiresAt?: null } = {},
    ): Promise<Group[]> {
      return readLongList(async (after, take) => {
        const where = { ...filter, id: { gt: after } };
        return (await prisma.group.findMany({ where, orderBy: { id: 'asc' }, take })).map(toGroup);
      }, 'Use searchGroups');
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
        const json = JSON.stringify(withRowDefaults('groups', toRowJson(group)));
        const steps = Prisma.sql`
          created AS (
            INSERT INTO groups (${inputColumns})
            SELECT ${inputColumns} FROM jsonb_populate_record(NULL::groups, ${json}::jsonb)
            RETURNING group_row(groups) AS row
          ),
          change AS (
            SELECT ARRAY[row ->> 'id'] AS target_ids, NULL::jsonb AS before, row AS after, row, NULL AS rejection FROM created
          )`;
        return writeGroup(transaction, call, steps, group);
      });
      return parseGroupRow(row);
    },

    /**
     * @throws AppError NOT_FOUND; BAD_USER_INPUT if the service group does not exist; GROUP_RETIRED if a retired group
     * is to be shown
     */
    async edit(id: number, changes: GroupChanges, call: MutationCall): Promise<Group> {
      const row = await mutations.run(call, async (transaction) => {
        const json = JSON.stringify(toRowJson(changes));
        const steps = Prisma.sql`
          locked AS MATERIALIZED (
            SELECT id, group_row(groups) AS row FROM groups WHERE id = ${id} FOR NO KEY UPDATE
          ),
          edited AS (
            -- The columns that the JSON lacks do not change. now() would be the time before a wait for the lock.
            UPDATE groups SET version = groups.version + 1, updated_at = clock_timestamp(),
              (${inputColumns}) = (SELECT ${inputColumns} FROM jsonb_populate_record(groups, ${json}::jsonb))
            FROM locked WHERE groups.id = locked.id AND (locked.row ->> 'retires_at' IS NULL OR ${changes.hidden !== false})
            RETURNING locked.row AS before, group_row(groups) AS after
          ),
          change AS (
            SELECT ARRAY[after ->> 'id'] AS target_ids, before, after, after AS row,
              CASE WHEN after IS NULL THEN locked.row ->> 'retires_at' END AS rejection
            FROM locked LEFT JOIN edited ON true
          )`;
        return writeGroup(transaction, call, steps, changes, (retiresAt) =>
          retiresAt === undefined ? new GroupNotFoundError(id) : staysHidden(id, retiresAt),
        );
      });
      return parseGroupRow(row);
    },
  };
}

/** The columns that clients set. */
const inputColumns = Prisma.raw(groupInputColumns.join(', '));

function toGroup(row: GroupRow): Group {
  const retirement = camelCaseKeys(row.retirement) as Retirement | null;
  return { ...row, retirement, price: formatPrice(row.price.toFixed()) };
}

/** The error of an edit that would show a retired group, which `cancelRetirement` does. */
function staysHidden(id: number, retiresAt: string): AppError {
  const remedy = 'cancelRetirement ends the retirement, and restores the former value of hidden';
  return groupRetired({ id, retiresAt: parseTimestamp(retiresAt) }, 'group.hidden', 'stays hidden', remedy);
}

/**
 * Writes a group, and reads the details that the call selects.
 * @throws AppError BAD_USER_INPUT if the service group does not exist
 */
async function writeGroup(
  transaction: Transaction,
  call: MutationCall,
  steps: Prisma.Sql,
  { serviceGroupId }: GroupChanges,
  reject: (rejection: string | undefined) => Error = () => new Error('No group was written'),
) {
  try {
    const change = await runChangeStatement(transaction, call, steps, reject);
    return { ...change, result: await addGroupDetails(transaction, change.row, call.selectedDetails) };
  } catch (error) {
    if (sqlStateOf(error) !== foreignKeyViolation) throw error;
    throw badInput(
      'group.serviceGroupId',
      `There is no service group ${serviceGroupId}. serviceGroups lists them`,
    );
  }
}
