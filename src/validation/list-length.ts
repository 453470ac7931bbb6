import { AppError } from '../errors.ts';

/** The maximum length of an unpaginated list, to protect clients and the server. */
export const maxListLength = 10_000;

/**
 * Rejects a list above the limit instead of truncating it silently; `advice` names an alternative. Query one row more
 * than the limit.
 * @throws AppError QUERY_TOO_COMPLEX
 */
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
