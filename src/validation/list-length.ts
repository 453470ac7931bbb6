import { AppError } from '../errors.ts';

/** How long a list without pages may be: what a client and the server can hold without harm. */
export const maxListLength = 10_000;

/** Refuses a list that is longer, rather than cutting it in silence; `advice` says what to use instead. Ask the database for one row more than the limit. */
export function requireListLength<T>(rows: T[], advice = ''): T[] {
  if (rows.length > maxListLength) {
    throw new AppError(
      'QUERY_TOO_COMPLEX',
      `The list has more than ${maxListLength} entries, the limit for an unpaginated list. ${advice}`.trim(),
      { limit: 'list length', maximum: maxListLength },
    );
  }
  return rows;
}
