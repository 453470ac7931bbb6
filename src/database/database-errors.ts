import { setTimeout as sleep } from 'node:timers/promises';
import { AppError, lockTimeout, serviceUnavailable, timeLimitReached } from '../errors.ts';
import { isTimeLimit, isRolledBackByConflict } from './conflict.ts';
import { causesOf } from '../postgres/error-causes.ts';

/**
 * Codes of Prisma and of the system for a database that is unreachable, closed the connection, or has no free
 * connection.
 */
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
/**
 * PostgreSQL's codes: classes 08 (connection), 28 (authorization), 53 (resources), 57P (shutdown) and 58 (system), a
 * database that does not exist, and read-only after a failover.
 */
const unavailableSqlState = /^(08|28|3D000|53|57P0|58|25006)/;
/** The names that Prisma's adapter uses if it passes on no code. */
const unavailableKinds: readonly unknown[] = [
  'AuthenticationFailed',
  'ConnectionClosed',
  'DatabaseAccessDenied',
  'DatabaseDoesNotExist',
  'DatabaseNotReachable',
  'SocketTimeout',
  'TooManyConnections',
];
/** Messages of `pg` that have no code. */
const unavailableMessage =
  /timeout exceeded when trying to connect|Connection terminated|not queryable|Query read timeout/;

/**
 * Converts an error to SERVICE_UNAVAILABLE if the database is unavailable or reached a limit; returns any other
 * unchanged.
 */
export function toUnavailableError(error: unknown): unknown {
  if (error instanceof AppError) return error;
  if (isTimeLimit(error)) return timeLimitReached(error);
  if (isRolledBackByConflict(error)) return lockTimeout(error);
  return isUnavailable(error) ? serviceUnavailable(error) : error;
}

const retryForMs = 5000;
const retryPauseMs = 100;

/** Runs a read, and retries it for some seconds while the database is unavailable. */
export async function retryWhileUnavailable<T>(read: () => Promise<T>): Promise<T> {
  for (const deadline = Date.now() + retryForMs; ;) {
    try {
      return await read();
    } catch (error) {
      const isRetryable = error instanceof AppError && error.code === 'SERVICE_UNAVAILABLE';
      if (!isRetryable || Date.now() > deadline) throw error;
      await sleep(retryPauseMs);
    }
  }
}

/**
 * Returns whether it is unknown if a statement was executed: the connection was lost after it was opened, and the
 * database has not reported that it rolled the statement back.
 */
export function isOutcomeUnknown(error: unknown): boolean {
  if (!(error instanceof AppError) || error.code !== 'SERVICE_UNAVAILABLE') return false;
  return !isTimeLimit(error) && !isRolledBackByConflict(error) && !isNotConnected(error);
}

/** Codes and messages for a connection that could not be opened. */
const notConnectedCodes = new Set([
  'P1001',
  'P2024',
  'ECONNREFUSED',
  'ENOENT',
  'ENOTFOUND',
  'EAI_AGAIN',
  '28000',
  '28P01',
  '3D000',
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
