import { setTimeout as sleep } from 'node:timers/promises';
import { AppError, lockTimeout, serviceUnavailable, timeLimitReached } from '../errors.ts';
import { isTimeLimit, isUndoneByOthers } from './conflict.ts';
import { causesOf } from './prisma-error.ts';
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
/** PostgreSQL's: classes 08 (connection), 53 (resources) and 57P (shutdown), read-only after a failover. */
const unavailableSqlState = /^(08|53|57P0|25006)/;
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
  if (isUndoneByOthers(error)) return lockTimeout(error);
  return isUnavailable(error) ? serviceUnavailable(error) : error;
}

/** For how long a read is repeated while the database is unavailable, and how often. */
const retryForMs = 5000;
const retryPauseMs = 100;

/** Runs a read again while it fails because the database is unavailable, for some seconds. */
export async function retryWhileUnavailable<T>(read: () => Promise<T>): Promise<T> {
  for (const deadline = Date.now() + retryForMs; ;) {
    try {
      return await read();
    } catch (error) {
      const mayPass = error instanceof AppError && error.code === 'SERVICE_UNAVAILABLE';
      if (!mayPass || Date.now() > deadline) throw error;
      await sleep(retryPauseMs);
    }
  }
}

/**
 * Returns whether an error leaves open if a statement that was sent has been executed: the connection was lost, and neither
 * had it failed to open nor has the database said that it undid the statement.
 */
export function isOutcomeUnknown(error: unknown): boolean {
  if (!(error instanceof AppError) || error.code !== 'SERVICE_UNAVAILABLE') return false;
  return !isTimeLimit(error) && !isUndoneByOthers(error) && !isNotConnected(error);
}

/** Codes and words for a connection that was never there. */
const notConnectedCodes = new Set([
  'P1001',
  'P2024',
  'ECONNREFUSED',
  'ENOENT',
  'ENOTFOUND',
  'EAI_AGAIN',
  '53300',
  '57P03',
]);
const notConnectedMessage = /timeout exceeded when trying to connect/;

function isNotConnected(error: unknown): boolean {
  return causesOf(error).some(
    ({ code, originalCode, message }) =>
      notConnectedCodes.has(String(code)) ||
      notConnectedCodes.has(String(originalCode)) ||
      (typeof message === 'string' && notConnectedMessage.test(message)),
  );
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
