import { sqlStateOf } from './prisma-error.ts';

/**
 * PostgreSQL's codes for a conflict with a concurrent transaction: a unique key, a foreign key (before version 18, and
 * since), a deadlock, a serialization failure.
 */
const conflicts: readonly unknown[] = ['23505', '23503', '23001', '40P01', '40001'];
/** PostgreSQL's code for a lock that others have held for longer than `lock_timeout`. */
const lockNotAvailable = '55P03';
/** PostgreSQL's codes for a transaction that it undid because of concurrent ones: a lock, a deadlock, serialization. */
const undoneByOthers: readonly unknown[] = [lockNotAvailable, '40P01', '40001'];
/**
 * PostgreSQL's codes for a time limit that the database or the role has: `statement_timeout` (or a cancelled query),
 * `idle_in_transaction_session_timeout`, `transaction_timeout`.
 */
const timeLimitReached: readonly unknown[] = ['57014', '25P03', '25P04'];
const maxAttempts = 5;

/** Tells whether a query failed for what another attempt would see, and so avoid or put into words. */
export function isConflict(error: unknown): boolean {
  return conflicts.includes(sqlStateOf(error));
}

/** Returns whether a query failed because others hold a lock for longer than `lock_timeout`. */
export function isLockTimeout(error: unknown): boolean {
  return sqlStateOf(error) === lockNotAvailable;
}

/** Returns whether the database undid a transaction because of concurrent ones, so that nothing was changed. */
export function isUndoneByOthers(error: unknown): boolean {
  return undoneByOthers.includes(sqlStateOf(error));
}

/** Returns whether the database ended a statement or a transaction at a time limit, so that nothing was changed. */
export function isTimeLimit(error: unknown): boolean {
  return timeLimitReached.includes(sqlStateOf(error));
}

/** Runs a transaction again where it met such a conflict. */
export async function retryOnConflict<T>(transaction: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await transaction();
    } catch (error) {
      if (!isConflict(error) || attempt === maxAttempts) throw error;
    }
  }
}
