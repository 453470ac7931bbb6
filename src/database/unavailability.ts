import { AppError, heldByOthers, serviceUnavailable, timeLimitReached } from '../errors.ts';
import { isTimeLimit, lockNotAvailable } from './conflict.ts';
import { causesOf, sqlStateOf } from './prisma-error.ts';
import type { PrismaClient } from '../generated/prisma/client.ts';

/** Prisma's codes for a database that cannot be reached, closed the connection, or has none to spare; and the system's. */
const unavailableCodes = new Set([
  'P1001',
  'P1002',
  'P1008',
  'P1011',
  'P1017',
  'P2024',
  'P2028',
  'P2037',
  'ECONNREFUSED',
  'ECONNRESET',
  'ENOENT',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EAI_AGAIN',
]);
/** PostgreSQL's: classes 08 (connection), 53 (resources) and 57P (shutdown), read-only after a failover, a lock held long. */
const unavailableSqlState = /^(08|53|57P0|25006|55P03)/;
/** Prisma's adapter's words for the same, where it passes no code on. */
const unavailableKinds: readonly unknown[] = [
  'ConnectionClosed',
  'DatabaseNotReachable',
  'SocketTimeout',
  'TooManyConnections',
];
/** What `pg` says without any code. */
const unavailableMessage =
  /timeout exceeded when trying to connect|Connection terminated|not queryable|Query read timeout/;

/** Makes every query of a client fail with SERVICE_UNAVAILABLE where the database is away; other errors pass. */
export function withUnavailability(prisma: PrismaClient): PrismaClient {
  return prisma.$extends({
    query: {
      async $allOperations({ args, query }) {
        try {
          return await query(args);
        } catch (error) {
          throw toUnavailability(error);
        }
      },
    },
  }) as unknown as PrismaClient; // Prisma's type for an extended client leaves out nothing that we use.
}

/** Turns an error into SERVICE_UNAVAILABLE if the database is unavailable or reached a limit; returns any other as it is. */
export function toUnavailability(error: unknown): unknown {
  if (error instanceof AppError) return error;
  if (isTimeLimit(error)) return timeLimitReached(error);
  if (!isUnavailable(error)) return error;
  return sqlStateOf(error) === lockNotAvailable ? heldByOthers(error) : serviceUnavailable(error);
}

function isUnavailable(error: unknown): boolean {
  return causesOf(error).some(({ code, originalCode, kind, message }) => {
    const codes = [code, originalCode].filter((value) => typeof value === 'string');
    return (
      codes.some((value) => unavailableCodes.has(value) || unavailableSqlState.test(value)) ||
      unavailableKinds.includes(kind) ||
      (typeof message === 'string' && unavailableMessage.test(message))
    );
  });
}
