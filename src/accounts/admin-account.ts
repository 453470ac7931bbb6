import type { PrismaClient } from '../generated/prisma/client.ts';
import { adminUsername } from './account.ts';
import { createApiKey, hashApiKey } from './api-key.ts';

/**
 * Sees to it that there is an account that may do everything. Its key is the one that the operator set, or else the one
 * that it has, or else one that is made, which is answered to be shown once. Of several servers that make one at the
 * same time one wins. An admin that was disabled stays so.
 */
export async function openAdminAccount(
  prisma: PrismaClient,
  configuredKey: string | undefined,
): Promise<{ readonly createdKey: string | undefined }> {
  const known = await prisma.account.findUnique({ where: { username: adminUsername } });
  if (known) {
    if (configuredKey !== undefined) await setKey(prisma, hashApiKey(configuredKey), known.apiKeyHash);
    return { createdKey: undefined };
  }
  const key = configuredKey ?? createApiKey();
  const { count } = await prisma.account.createMany({
    data: [{ username: adminUsername, apiKeyHash: hashApiKey(key), scopes: ['*'] }],
    skipDuplicates: true,
  });
  if (count === 0) return openAdminAccount(prisma, configuredKey);
  return { createdKey: configuredKey === undefined ? key : undefined };
}

async function setKey(
  prisma: PrismaClient,
  apiKeyHash: Buffer<ArrayBuffer>,
  present: Uint8Array | null,
): Promise<void> {
  if (present && apiKeyHash.equals(present)) return;
  await prisma.account.update({
    where: { username: adminUsername },
    data: { apiKeyHash, updatedAt: new Date() },
  });
}
