import type { PrismaClient } from '../generated/prisma/client.ts';
import { deleteFinished } from './delivery-statements.ts';

const deletedAtOnce = 2000;

/** Deletes a batch of deliveries that were finished seven days ago, and returns how many; 0 if none is left. */
export async function purgeDeliveries(prisma: PrismaClient): Promise<number> {
  return prisma.$executeRaw(deleteFinished(deletedAtOnce));
}
