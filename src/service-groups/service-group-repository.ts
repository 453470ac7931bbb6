import { foreignKeyViolated, isPrismaError, recordNotFound } from '../database/prisma-error.ts';
import { AppError } from '../errors.ts';
import type { PrismaClient } from '../generated/prisma/client.ts';
import { maxListLength, requireListLength } from '../list-length.ts';
import {
  serviceGroupNotFound,
  type NewServiceGroup,
  type ServiceGroup,
  type ServiceGroupChanges,
} from './service-group.ts';

export type ServiceGroupRepository = ReturnType<typeof createServiceGroupRepository>;

/** The service groups in the database. */
export function createServiceGroupRepository(prisma: PrismaClient) {
  return {
    /** @throws AppError NOT_FOUND */
    async serviceGroup(id: number): Promise<ServiceGroup> {
      const serviceGroup = await prisma.serviceGroup.findUnique({ where: { id } });
      if (!serviceGroup) throw serviceGroupNotFound();
      return serviceGroup;
    },

    /** All of them, by id. @throws AppError QUERY_TOO_COMPLEX where there are too many. */
    async serviceGroups(): Promise<ServiceGroup[]> {
      return requireListLength(
        await prisma.serviceGroup.findMany({ orderBy: { id: 'asc' }, take: maxListLength + 1 }),
      );
    },

    /** Those with these ids, in the order of the ids; null where there is none. */
    async serviceGroupsById(ids: readonly number[]): Promise<(ServiceGroup | null)[]> {
      const found = await prisma.serviceGroup.findMany({ where: { id: { in: [...ids] } } });
      const byId = new Map(found.map((each) => [each.id, each]));
      return ids.map((id) => byId.get(id) ?? null);
    },

    async createServiceGroup(serviceGroup: NewServiceGroup): Promise<ServiceGroup> {
      return prisma.serviceGroup.create({ data: serviceGroup });
    },

    /** @throws AppError NOT_FOUND */
    async editServiceGroup(id: number, changes: ServiceGroupChanges): Promise<ServiceGroup> {
      try {
        return await prisma.serviceGroup.update({ where: { id }, data: changes });
      } catch (error) {
        throw isPrismaError(error, recordNotFound) ? serviceGroupNotFound() : error;
      }
    },

    /**
     * Deletes the row and answers it. The foreign key of the groups has the last word.
     * @throws AppError NOT_FOUND, HAS_GROUPS
     */
    async deleteServiceGroup(id: number): Promise<ServiceGroup> {
      try {
        return await prisma.serviceGroup.delete({ where: { id } });
      } catch (error) {
        if (isPrismaError(error, recordNotFound)) throw serviceGroupNotFound();
        if (!isPrismaError(error, foreignKeyViolated)) throw error;
        const groupCount = await prisma.group.count({ where: { serviceGroupId: id } });
        throw new AppError('HAS_GROUPS', 'Cannot delete a service group that still has groups', {
          groupCount,
        });
      }
    },
  };
}
