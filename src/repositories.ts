import { createAccountRepository, type AccountRepository } from './accounts/account-repository.ts';
import type { PrismaClient } from './generated/prisma/client.ts';
import { createGroupDeletion, type GroupDeletion } from './group-deletion/delete-group.ts';
import { createGroupRestoration, type GroupRestoration } from './group-deletion/restore-group.ts';
import { createGroupRetirement, type GroupRetirement } from './group-deletion/retire-group.ts';
import { createDeletedGroupRepository, type DeletedGroupRepository } from './groups/archive.ts';
import { createGroupRepository, type GroupRepository } from './groups/group-repository.ts';
import type { Logger } from './log.ts';
import { createAuditRepository, type AuditRepository } from './mutations/audit-events.ts';
import { createMutationRunner, type MutationRunner } from './mutations/mutation-runner.ts';
import {
  createServiceGroupRepository,
  type ServiceGroupRepository,
} from './service-groups/service-group-repository.ts';
import {
  createSubscriberRepository,
  type SubscriberRepository,
} from './subscribers/subscriber-repository.ts';

/** The repositories of a database, for the server and the command line. Those of the autodialer are its own. */
export type Repositories = {
  readonly accounts: AccountRepository;
  readonly audit: AuditRepository;
  readonly deletedGroups: DeletedGroupRepository;
  readonly groupDeletion: GroupDeletion;
  readonly groupRestoration: GroupRestoration;
  readonly groupRetirement: GroupRetirement;
  readonly groups: GroupRepository;
  readonly mutations: MutationRunner;
  readonly serviceGroups: ServiceGroupRepository;
  readonly subscribers: SubscriberRepository;
};

/** Builds the repositories. Deleted groups are archived for `retentionDays`; with 0 they are not archived. */
export function createRepositories(prisma: PrismaClient, retentionDays: number, log: Logger): Repositories {
  const mutations = createMutationRunner(prisma, log);
  return {
    accounts: createAccountRepository(prisma, mutations),
    audit: createAuditRepository(prisma),
    deletedGroups: createDeletedGroupRepository(prisma, mutations),
    groupDeletion: createGroupDeletion(prisma, mutations, retentionDays),
    groupRestoration: createGroupRestoration(mutations),
    groupRetirement: createGroupRetirement(mutations),
    groups: createGroupRepository(prisma, mutations),
    mutations,
    serviceGroups: createServiceGroupRepository(prisma, mutations),
    subscribers: createSubscriberRepository(prisma, mutations),
  };
}
