import type { PrismaClient } from '../generated/prisma/client.ts';

const sampleServiceGroups = [
  { name: 'Personal', description: 'Plans for one person', language: 'English', discount: 0 },
  { name: 'Family', description: 'Plans that are shared at home', language: 'English', discount: 12.5 },
];

const sampleGroups = [
  {
    name: 'Trial',
    description: 'Seven days to try it out',
    tagName: 'trial',
    duration: 7,
    price: '0',
    dailyBandwidth: '1GB',
    downloadUpload: '10/10',
    ip: 'DYNAMIC',
  },
  {
    name: 'One month',
    description: 'A month for one device',
    tagName: 'monthly',
    duration: 30,
    price: '9.90',
    usernamePostfix: '@monthly',
    usernamePostfixId: 'm1',
    dailyBandwidth: '10GB',
    downloadUpload: '100/100',
    ip: 'DYNAMIC',
  },
  {
    name: 'One year',
    description: 'A year at the price of ten months',
    tagName: 'yearly',
    duration: 365,
    price: '99',
    usernamePostfix: '@yearly',
    usernamePostfixId: 'y1',
    multiLoginCount: 2,
    downloadUpload: '100/100',
    ip: 'DYNAMIC',
  },
  {
    name: 'Family year',
    description: 'A year for up to six devices',
    tagName: 'family',
    duration: 365,
    price: '149',
    usernamePostfix: '@family',
    usernamePostfixId: 'f1',
    multiLoginCount: 6,
    ip: 'DYNAMIC',
  },
  {
    name: 'Static address',
    description: 'A month with an address of your own',
    tagName: 'static',
    duration: 30,
    price: '19.90',
    usernamePostfix: '@static',
    usernamePostfixId: 's1',
    ip: '203.0.113.0/24',
  },
];

/**
 * Puts a few groups into a database that has never held one: what an operator deleted does not come back. Answers
 * whether it did. Two servers at once load them once.
 */
export async function loadSampleData(prisma: PrismaClient): Promise<boolean> {
  if (await hasHeldGroups(prisma)) return false;
  return prisma.$transaction(async (transaction) => {
    await transaction.$executeRaw`LOCK TABLE groups IN SHARE ROW EXCLUSIVE MODE`;
    if (await hasHeldGroups(transaction)) return false;

    const [personal, family] = await transaction.serviceGroup.createManyAndReturn({
      data: sampleServiceGroups,
    });
    await transaction.group.createMany({
      data: sampleGroups.map((group) => ({
        ...group,
        serviceGroupId: (group.tagName === 'family' ? family : personal)!.id,
      })),
    });
    return true;
  });
}

async function hasHeldGroups(prisma: Pick<PrismaClient, '$queryRaw'>): Promise<boolean> {
  const rows = await prisma.$queryRaw<{ is_called: boolean }[]>`SELECT is_called FROM groups_id_seq`;
  return rows.some(({ is_called }) => is_called);
}

/** Finds a sample group that is still there, so that trying out a delete never meets a group of the operator's own. */
export async function findSampleGroupId(prisma: PrismaClient): Promise<number | undefined> {
  const samples = sampleGroups.map(({ name, description }) => ({ name, description }));
  const group = await prisma.group.findFirst({
    where: { OR: samples, protected: false },
    orderBy: { id: 'asc' },
  });
  return group?.id;
}
