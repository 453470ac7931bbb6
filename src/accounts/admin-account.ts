import { isPrismaError, uniqueKeyViolated } from '../database/prisma-error.ts';
import { OperatorError } from '../errors.ts';
import type { PrismaClient } from '../generated/prisma/client.ts';
import { adminUsername } from './account.ts';
import { createApiKey, hashApiKey } from './api-key.ts';

/**
 * Ensures that the admin account exists. Its key is the configured one, otherwise its current one, otherwise a new one,
 * which is returned to be shown once. If several servers create the account concurrently, one wins. A disabled admin
 * stays disabled.
 * @throws OperatorError if the configured key is that of another account
 */
export async function openAdminAccount(
  prisma: PrismaClient,
  configuredKey: string | undefined,
): Promise<{ readonly createdKey: string | undefined }> {
  const existing = await prisma.account.findUnique({ where: { username: adminUsername } });
  if (existing) {
    if (configuredKey !== undefined) await setKey(prisma, hashApiKey(configuredKey), existing.apiKeyHash);
    return { createdKey: undefined };
  }
  const key = configuredKey ?? createApiKey();
  try {
    await prisma.account.create({
      data: { username: adminUsername, apiKeyHash: hashApiKey(key), scopes: ['*'] },
    });
    return { createdKey: configuredKey === undefined ? key : undefined };
  } catch (error) {
    if (!isPrismaError(error, uniqueKeyViolated)) throw error;
    // Another server created the account first, or another account has the key.
    if (await prisma.account.findUnique({ where: { username: adminUsername } })) {
      return openAdminAccount(prisma, configuredKey);
    }
    throw apiKeyTaken();
  }
}

async function setKey(
  prisma: PrismaClient,
  apiKeyHash: Buffer<ArrayBuffer>,
  currentHash: Uint8Array | null,
): Promise<void> {
  if (currentHash && apiKeyHash.equals(currentHash)) return;
  try {
    await prisma.account.update({
      where: { username: adminUsername },
      data: { apiKeyHash, updatedAt: new Date() },
    });
  } catch (error) {
    throw isPrismaError(error, uniqueKeyViolated) ? apiKeyTaken() : error;
  }
}

function apiKeyTaken(): OperatorError {
  return new OperatorError('ADMIN_API_KEY is already the key of another account: set it to a different key');
}
