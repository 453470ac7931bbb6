import { setTimeout as sleep } from 'node:timers/promises';
import { AppError, lockTimeout, serviceUnavailable, timeLimitReached } from '../errors.ts';
import { isTimeLimit, isRolledBackByConflict } from './conflict.ts';
import { NotConnectedError } from '../postgres/client.ts';
import { causesOf } from '../postgres/error-causes.ts';
import { readOnlyTransaction } from '../postgres/sql-states.ts';
import { sqlStateOf } from './prisma-error.ts';

/**
 * Codes of Prisma and of the system for a connection that is lost while it is in use, or for a pool without a free
 * one. A connection that cannot be opened is a NotConnectedError, whatever its code.
 */
const unavailableCodes = new Set([
  'P1001',
  'P1008',
  'P1011',
  'P1017',
  'P2024',
  'P2028',
  'P2037',
  'ECONNABORTED',
  'ECONNREFUSED',
  'ECONNRESET',
  'EHOSTDOWN',
  'EHOSTUNREACH',
  'ENETDOWN',
  'ENETRESET',
  'ENETUNREACH',
  'ENOTCONN',
  'EPIPE',
  'ERR_STREAM_DESTROYED',
  'ERR_STREAM_WRITE_AFTER_END',
  'ETIMEDOUT',
]);
/**
 * PostgreSQL's codes: classes 08 (connection), 28 (authorization), 53 (resources), 57P (shutdown) and 58 (system), a
 * database that does not exist, and read-only after a failover. Poolers also send those of a new connection for a
 * statement.
 */
const unavailableSqlState = new RegExp(`^(08|28|3D000|53|57P0|58|${readOnlyTransaction})`);
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
  const isRolledBack =
    isTimeLimit(error) || isRolledBackByConflict(error) || sqlStateOf(error) === readOnlyTransaction;
  return !isRolledBack && !isNotConnected(error);
}

/** The pool has no free connection. */
const noFreeConnectionCode = 'P2024';
const noFreeConnectionMessage = /timeout exceeded when trying to connect/;

function isNotConnected(error: unknown): boolean {
  return causesOf(error).some(
    (cause) =>
      cause instanceof NotConnectedError ||
      cause['code'] === noFreeConnectionCode ||
      (typeof cause['message'] === 'string' && noFreeConnectionMessage.test(cause['message'])),
  );
}

function isUnavailable(error: unknown): boolean {
  return causesOf(error).some((cause) => {
    const { code, originalCode, kind, message } = cause;
    const codes = [code, originalCode].filter((value) => typeof value === 'string');
    return (
      cause instanceof NotConnectedError ||
      codes.some((value) => unavailableCodes.has(value) || unavailableSqlState.test(value)) ||
      unavailableKinds.includes(kind) ||
      (typeof message === 'string' && unavailableMessage.test(message))
    );
  });
}
