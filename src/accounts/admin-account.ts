import { isPrismaError, uniqueKeyViolated } from '../database/prisma-error.ts';
import { OperatorError } from '../errors.ts';
import type { PrismaClient } from '../generated/prisma/client.ts';
import { adminUsername } from './account.ts';
import { createApiKey, hashApiKey } from './api-key.ts';

/**
 * Sees to it that there is an account that may do everything. Its key is the one that the operator set, or else the one
 * that it has, or else one that is made, which is answered to be shown once. Of several servers that make one at the
 * same time one wins. An admin that was disabled stays so.
 * @throws StartError where the operator's key is that of another account
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
  try {
    await prisma.account.create({
      data: { username: adminUsername, apiKeyHash: hashApiKey(key), scopes: ['*'] },
    });
    return { createdKey: configuredKey === undefined ? key : undefined };
  } catch (error) {
    if (!isPrismaError(error, uniqueKeyViolated)) throw error;
    // Another server was faster, unless the key is another account's.
    if (await prisma.account.findUnique({ where: { username: adminUsername } })) {
      return openAdminAccount(prisma, configuredKey);
    }
    throw apiKeyTaken();
  }
}

async function setKey(
  prisma: PrismaClient,
  apiKeyHash: Buffer<ArrayBuffer>,
  present: Uint8Array | null,
): Promise<void> {
  if (present && apiKeyHash.equals(present)) return;
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
