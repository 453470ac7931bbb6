import { sqlStateOf } from './prisma-error.ts';

/**
 * PostgreSQL's codes for a conflict with a concurrent transaction: a unique key, a foreign key (before and since
 * version 18), a deadlock, a serialization failure.
 */
const conflicts: readonly unknown[] = ['23505', '23503', '23001', '40P01', '40001'];
/** PostgreSQL's code for a lock that was not acquired within `lock_timeout`. */
const lockNotAvailable = '55P03';
/**
 * PostgreSQL's codes for a transaction that it rolled back because of concurrent ones: a lock, a deadlock,
 * serialization.
 */
const rolledBackByConflict: readonly unknown[] = [lockNotAvailable, '40P01', '40001'];
/**
 * PostgreSQL's codes for a time limit of the database or the role: `statement_timeout` (or a cancelled query),
 * `idle_in_transaction_session_timeout`, `transaction_timeout`.
 */
const timeLimitReached: readonly unknown[] = ['57014', '25P03', '25P04'];
const maxAttempts = 5;

/** Returns whether a query failed because of a concurrent transaction, whose result another attempt would see. */
function isConflict(error: unknown): boolean {
  return conflicts.includes(sqlStateOf(error));
}

/** Returns whether a query failed because it did not acquire a lock within `lock_timeout`. */
export function isLockTimeout(error: unknown): boolean {
  return sqlStateOf(error) === lockNotAvailable;
}

/** Returns whether the database rolled back a transaction because of concurrent ones, so that nothing was changed. */
export function isRolledBackByConflict(error: unknown): boolean {
  return rolledBackByConflict.includes(sqlStateOf(error));
}

/** Returns whether the database cancelled a statement or a transaction at a time limit, so that nothing was changed. */
export function isTimeLimit(error: unknown): boolean {
  return timeLimitReached.includes(sqlStateOf(error));
}

/** Runs a transaction, and retries it after a conflict. */
export async function retryOnConflict<T>(transaction: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await transaction();
    } catch (error) {
      if (!isConflict(error) || attempt === maxAttempts) throw error;
    }
  }
}
