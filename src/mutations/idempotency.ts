import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { AppError, badInput } from '../errors.ts';
import type { Prisma, PrismaClient } from '../generated/prisma/client.ts';
import type { MutationCall } from './mutation-call.ts';

/** How long a key is stored. */
const keyLifetimeMs = 24 * 60 * 60 * 1000;
/** How long a repeated call waits for the first call to end, and how often it polls. */
const firstCallWaitMs = 3000;
const firstCallPollMs = 50;

/** Validates the Idempotency-Key header. @throws AppError BAD_USER_INPUT */
export function requireIdempotencyKey(key: string): void {
  if (!/^[\x20-\x7e]{1,255}$/.test(key)) {
    throw badInput('Idempotency-Key', 'Idempotency-Key must have 1 to 255 printable ASCII characters');
  }
}

/** Returns a hash of the arguments, independent of their order. Null and false count as omitted. */
export function fingerprintOf(args: object): string {
  const entries = Object.entries(args)
    .filter(([, value]) => value !== undefined && value !== null && value !== false)
    .toSorted(([name], [other]) => (name < other ? -1 : 1));
  return createHash('sha256').update(JSON.stringify(entries)).digest('base64url');
}

/**
 * Finds the stored response of a repeated call. If there is none, the transaction locks the key until it ends.
 * @throws AppError IDEMPOTENCY_KEY_REUSED, IDEMPOTENCY_IN_PROGRESS
 */
export async function findStoredResponse<Result>(
  transaction: Prisma.TransactionClient,
  call: MutationCall,
): Promise<{ response: Result } | undefined> {
  const { account, operation, idempotencyKey: key, fingerprint } = call;
  if (key === null) return undefined;
  const scope = JSON.stringify([account, operation, key]);
  const read = async (isLocking: boolean) => {
    const [row] = await transaction.$queryRaw<[LockedKey<Result>]>`
      SELECT ${isLocking} AND pg_try_advisory_xact_lock(hashtextextended(${scope}, 0)) AS "isLocked", stored.fingerprint, stored.response FROM (VALUES (1)) AS one
      LEFT JOIN idempotency_keys AS stored ON account = ${account} AND operation = ${operation} AND key = ${key}
        AND created_at > ${idempotencyCutoff()}::timestamptz`;
    if (row.fingerprint !== null && row.fingerprint !== fingerprint) throw keyReused();
    return row;
  };
  // Calls with the same key are serialized by a lock that ends with the transaction. Repeated calls, of which there may
  // be many concurrently, need no lock: they find the response.
  const { isLocked, ...stored } = await read(true);
  if (stored.fingerprint !== null) return { response: stored.response };
  if (!isLocked) throw keyInProgress();

  await deleteExpiredKey(transaction, call);
  // The first call may have ended between the lookup and the lock.
  const { fingerprint: storedFingerprint, response } = await read(false);
  return storedFingerprint === null ? undefined : { response };
}

type LockedKey<Result> = {
  readonly isLocked: boolean;
  readonly fingerprint: string | null;
  readonly response: Result;
};

/** Retries while the first call with a key is in progress, without occupying a connection between attempts. */
export async function waitForFirstCall<T>(attempt: () => Promise<T>): Promise<T> {
  for (const deadline = Date.now() + firstCallWaitMs; ;) {
    try {
      return await attempt();
    } catch (error) {
      const isInProgress = error instanceof AppError && error.code === 'IDEMPOTENCY_IN_PROGRESS';
      if (!isInProgress || Date.now() > deadline) throw error;
      await sleep(firstCallPollMs);
    }
  }
}

/** Stores the response of a call with a key, in its transaction. */
export async function storeResponse(
  transaction: Prisma.TransactionClient,
  call: MutationCall,
  response: unknown,
): Promise<void> {
  const { account, operation, idempotencyKey: key, fingerprint } = call;
  if (key === null) return;
  const json = JSON.parse(JSON.stringify(response)) as Prisma.InputJsonValue;
  await transaction.idempotencyKey.create({ data: { account, operation, key, fingerprint, response: json } });
}

/** Deletes the key of a call if it has expired, so that it can be stored again. */
export async function deleteExpiredKey(
  client: Pick<PrismaClient, 'idempotencyKey'>,
  { account, operation, idempotencyKey: key }: MutationCall,
): Promise<void> {
  if (key === null) return;
  await client.idempotencyKey.deleteMany({
    where: { account, operation, key, createdAt: { lte: idempotencyCutoff() } },
  });
}

/** Deletes all expired keys and returns their number. */
export async function deleteExpiredKeys(prisma: PrismaClient): Promise<number> {
  const { count } = await prisma.idempotencyKey.deleteMany({
    where: { createdAt: { lt: idempotencyCutoff() } },
  });
  return count;
}

/** The expiry cutoff: keys created before this time have expired. */
export function idempotencyCutoff(): Date {
  return new Date(Date.now() - keyLifetimeMs);
}

export function keyInProgress(): AppError {
  return new AppError(
    'IDEMPOTENCY_IN_PROGRESS',
    'A request with this Idempotency-Key is still in progress. Try again later',
  );
}

export function keyReused(): AppError {
  return new AppError(
    'IDEMPOTENCY_KEY_REUSED',
    'This Idempotency-Key was used with other arguments. Use a new key',
  );
}
