import type { MutationRunner } from '../mutations/mutation-runner.ts';
import type { MutationCall } from '../mutations/mutation-call.ts';
import { runChangeStatement } from '../mutations/change-statement.ts';
import { toRowJson, withRowDefaults } from '../database/row-json.ts';
import { AppError } from '../errors.ts';
import { Prisma, type PrismaClient } from '../generated/prisma/client.ts';
import { maxListLength, requireListLength } from '../validation/list-length.ts';
import {
  parseServiceGroup,
  serviceGroupInputColumns,
  serviceGroupNotFound,
  type NewServiceGroup,
  type ServiceGroup,
  type ServiceGroupChanges,
} from './service-group.ts';

export type ServiceGroupRepository = ReturnType<typeof createServiceGroupRepository>;

/** The service groups in the database. */
export function createServiceGroupRepository(prisma: PrismaClient, mutations: MutationRunner) {
  async function write(
    call: MutationCall,
    steps: Prisma.Sql,
    reject: (rejection: string | undefined) => Error,
  ): Promise<ServiceGroup> {
    const row = await mutations.run(call, async (transaction) => {
      const change = await runChangeStatement(transaction, call, steps, reject);
      return { ...change, result: change.row };
    });
    return parseServiceGroup(row);
  }

  return {
    /** @throws AppError NOT_FOUND */
    async get(id: number): Promise<ServiceGroup> {
      const serviceGroup = await prisma.serviceGroup.findUnique({ where: { id } });
      if (!serviceGroup) throw serviceGroupNotFound(id);
      return serviceGroup;
    },

    /** Returns all service groups, sorted by id. @throws AppError QUERY_TOO_COMPLEX if there are too many */
    async list(): Promise<ServiceGroup[]> {
      return requireListLength(
        await prisma.serviceGroup.findMany({ orderBy: { id: 'asc' }, take: maxListLength + 1 }),
      );
    },

    /** Returns the rows with these ids, in the order of the ids; null if there is no row with an id. */
    async findByIds(ids: readonly number[]): Promise<(ServiceGroup | null)[]> {
      // One array parameter: a list of parameters has a maximum length, and each length would be planned separately.
      const rows = await prisma.$queryRaw<ServiceGroup[]>`
        SELECT id, name, description, language, discount FROM service_groups
        WHERE id = ANY (${[...new Set(ids)]}::int[])`;
      const byId = new Map(rows.map((row) => [row.id, row]));
      return ids.map((id) => byId.get(id) ?? null);
    },

    async create(serviceGroup: NewServiceGroup, call: MutationCall): Promise<ServiceGroup> {
      const json = JSON.stringify(withRowDefaults('service_groups', toRowJson(serviceGroup)));
      const steps = Prisma.sql`
        created AS (
          INSERT INTO service_groups (${inputColumns})
          SELECT ${inputColumns} FROM jsonb_populate_record(NULL::service_groups, ${json}::jsonb)
          RETURNING *
        ),
        change AS (
          SELECT ARRAY[id::text] AS target_ids, NULL::jsonb AS before, to_jsonb(created) AS after, to_jsonb(created) AS row,
            NULL AS rejection FROM created
        )`;
      return write(call, steps, () => new Error('No service group was written'));
    },

    /** @throws AppError NOT_FOUND */
    async edit(id: number, changes: ServiceGroupChanges, call: MutationCall): Promise<ServiceGroup> {
      const json = JSON.stringify(toRowJson(changes));
      const steps = Prisma.sql`
        locked AS MATERIALIZED (SELECT * FROM service_groups WHERE id = ${id} FOR NO KEY UPDATE),
        edited AS (
          -- The columns that the JSON lacks do not change.
          UPDATE service_groups SET
            (${inputColumns}) = (SELECT ${inputColumns} FROM jsonb_populate_record(service_groups, ${json}::jsonb))
          FROM locked WHERE service_groups.id = locked.id
          RETURNING to_jsonb(locked) AS before, to_jsonb(service_groups) AS after
        ),
        change AS (
          SELECT ARRAY[after ->> 'id'] AS target_ids, before, after, after AS row, NULL AS rejection FROM edited
        )`;
      return write(call, steps, () => serviceGroupNotFound(id));
    },

    /**
     * Deletes a service group and returns it. A foreign key guards against groups that are added concurrently.
     * @throws AppError NOT_FOUND, HAS_GROUPS
     */
    async delete(id: number, call: MutationCall): Promise<ServiceGroup> {
      const steps = Prisma.sql`
        counted AS MATERIALIZED (SELECT count(*) AS group_count FROM groups WHERE service_group_id = ${id}),
        deleted AS (
          DELETE FROM service_groups USING counted WHERE id = ${id} AND group_count = 0 RETURNING service_groups.*
        ),
        change AS (
          SELECT ARRAY[id::text] AS target_ids, to_jsonb(deleted) AS before, NULL::jsonb AS after, to_jsonb(deleted) AS row,
            CASE WHEN id IS NULL THEN group_count::text END AS rejection
          FROM counted LEFT JOIN deleted ON true
        )`;
      return write(call, steps, (groupCount) =>
        Number(groupCount) === 0 ? serviceGroupNotFound(id) : hasGroups(id, Number(groupCount)),
      );
    },
  };
}

/** The columns that clients set. */
const inputColumns = Prisma.raw(serviceGroupInputColumns.join(', '));

function hasGroups(id: number, groupCount: number): AppError {
  return new AppError(
    'HAS_GROUPS',
    `Cannot delete a service group that still has groups: service group ${id} has ${groupCount}. ` +
      'Change their serviceGroupId with editGroup',
    { groupCount },
  );
}
