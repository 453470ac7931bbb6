import type { PrismaClient } from '../generated/prisma/client.ts';
import { purgeExpiredNumberGroups } from './number-groups/archive.ts';
import { removeUnusedLists } from './number-groups/number-list-repository.ts';

/**
 * Purges a batch of expired number groups and of unused lists of phone numbers, and returns how many; 0 if none is
 * left.
 */
export async function purgeBatch(
  prisma: PrismaClient,
  caller: { readonly account: string; readonly requestId: string },
): Promise<number> {
  return (await purgeExpiredNumberGroups(prisma, caller)) + (await removeUnusedLists(prisma));
}
