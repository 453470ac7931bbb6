import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import type { PrismaClient } from '../generated/prisma/client.ts';

const keyName = 'admin';
const prefix = 'ga_';

/** The one key that opens the API, as its hash; `created` holds the key itself where it was made just now. */
export type AdminKey = { readonly hash: Buffer; readonly created?: string };

/**
 * Takes the key that the operator set, or else the one that the database knows the hash of, or else makes one. Of
 * several servers that make one at the same time, one wins and the others take its key.
 */
export async function openAdminKey(prisma: PrismaClient, configured: string | undefined): Promise<AdminKey> {
  if (configured !== undefined) return { hash: hashKey(configured) };

  const known = await prisma.apiKey.findUnique({ where: { name: keyName } });
  if (known) return { hash: Buffer.from(known.hash) };

  const key = prefix + randomBytes(24).toString('base64url');
  const { count } = await prisma.apiKey.createMany({
    data: [{ name: keyName, hash: hashKey(key) }],
    skipDuplicates: true,
  });
  return count === 1 ? { hash: hashKey(key), created: key } : openAdminKey(prisma, configured);
}

/** Tells, in a time that does not depend on the keys, whether a key is the admin's. */
export function isAdminKey(key: string, { hash }: AdminKey): boolean {
  return timingSafeEqual(hashKey(key), hash);
}

function hashKey(key: string): Buffer<ArrayBuffer> {
  return createHash('sha256').update(key).digest();
}
