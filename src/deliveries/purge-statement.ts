import { Prisma, type PrismaClient } from '../generated/prisma/client.ts';

const { sql, raw } = Prisma;

/** Finished deliveries are deleted after this time. */
const retention = raw(`interval '7 days'`);
const deletedAtOnce = 2000;

/** Deletes a batch of deliveries that were finished seven days ago, and returns how many; 0 if none is left. */
export async function purgeDeliveries(
  prisma: PrismaClient,
  table: 'radius_deliveries' | 'webhook_deliveries',
): Promise<number> {
  return prisma.$executeRaw(sql`
    DELETE FROM ${raw(table)} WHERE id IN (
      SELECT id FROM ${raw(table)} WHERE finished_at < now() - ${retention}
      ORDER BY finished_at LIMIT ${deletedAtOnce} FOR UPDATE SKIP LOCKED
    )`);
}
