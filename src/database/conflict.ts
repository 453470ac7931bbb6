import { sqlStateOf } from './prisma-error.ts';

/**
 * PostgreSQL's codes for somebody else having been there at the same moment: a unique key, a foreign key (before version
 * 18, and since), a deadlock.
 */
const conflicts: readonly unknown[] = ['23505', '23503', '23001', '40P01'];
/** PostgreSQL's code for a lock that others have held for longer than `lock_timeout`. */
export const lockNotAvailable = '55P03';
const maxAttempts = 5;

/** Tells whether a query failed for what another attempt would see, and so avoid or put into words. */
export function isConflict(error: unknown): boolean {
  return conflicts.includes(sqlStateOf(error));
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
