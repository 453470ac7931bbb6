import type { MutationRunner } from '../mutations/mutation-runner.ts';
import type { MutationCall } from '../mutations/mutation-call.ts';
import { isPrismaError, recordNotFound } from '../database/prisma-error.ts';
import { AppError } from '../errors.ts';
import type { PrismaClient } from '../generated/prisma/client.ts';
import { readLongList } from '../validation/list-length.ts';
import {
  parseServiceGroup,
  serviceGroupNotFound,
  type NewServiceGroup,
  type ServiceGroup,
  type ServiceGroupChanges,
} from './service-group.ts';

export type ServiceGroupRepository = ReturnType<typeof createServiceGroupRepository>;

/** The service groups in the database. */
export function createServiceGroupRepository(prisma: PrismaClient, mutations: MutationRunner) {
  return {
    /** @throws AppError NOT_FOUND */
    async get(id: number): Promise<ServiceGroup> {
      const serviceGroup = await prisma.serviceGroup.findUnique({ where: { id } });
      if (!serviceGroup) throw serviceGroupNotFound(id);
      return serviceGroup;
    },

    /** Returns all service groups, sorted by id. @throws AppError QUERY_TOO_COMPLEX if there are too many */
    async list(): Promise<ServiceGroup[]> {
      return readLongList((after, take) =>
        prisma.serviceGroup.findMany({ where: { id: { gt: after } }, orderBy: { id: 'asc' }, take }),
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
      const result = await mutations.run(call, async (transaction) => {
        const created = await transaction.serviceGroup.create({ data: serviceGroup });
        return { result: created, targetIds: [created.id], after: created };
      });
      return parseServiceGroup(result);
    },

    /** @throws AppError NOT_FOUND */
    async edit(id: number, changes: ServiceGroupChanges, call: MutationCall): Promise<ServiceGroup> {
      const result = await mutations.run(call, async (transaction) => {
        await transaction.$executeRaw`SELECT FROM service_groups WHERE id = ${id} FOR NO KEY UPDATE`;
        const before = await transaction.serviceGroup.findUnique({ where: { id } });
        if (!before) throw serviceGroupNotFound(id);
        const after = await transaction.serviceGroup.update({ where: { id }, data: changes });
        return { result: after, before, after };
      });
      return parseServiceGroup(result);
    },

    /**
     * Deletes a service group and returns it. A foreign key guards against groups that are added concurrently.
     * @throws AppError NOT_FOUND, HAS_GROUPS
     */
    async delete(id: number, call: MutationCall): Promise<ServiceGroup> {
      const result = await mutations.run(call, async (transaction) => {
        const groupCount = await transaction.group.count({ where: { serviceGroupId: id } });
        if (groupCount > 0) {
          throw new AppError(
            'HAS_GROUPS',
            `Cannot delete a service group that still has groups: service group ${id} has ${groupCount}. ` +
              'Change their serviceGroupId with editGroup',
            { groupCount },
          );
        }
        try {
          const deleted = await transaction.serviceGroup.delete({ where: { id } });
          return { result: deleted, before: deleted };
        } catch (error) {
          throw isPrismaError(error, recordNotFound) ? serviceGroupNotFound(id) : error;
        }
      });
      return parseServiceGroup(result);
    },
  };
}
