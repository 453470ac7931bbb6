import type { Parse } from './input-parsers.ts';
import { badInput } from '../errors.ts';

/** Formats a position in a sorted list as a cursor, which is opaque to clients. */
export function formatCursor(parts: readonly (string | number)[]): string {
  return Buffer.from(JSON.stringify(parts)).toString('base64url');
}

/**
 * Parses a cursor, with one parser per part.
 * @throws AppError BAD_USER_INPUT if it is not a cursor of this list
 */
export function parseCursor<const Parts extends readonly unknown[]>(
  cursor: string,
  parsers: { readonly [Index in keyof Parts]: Parse<Parts[Index]> },
): Parts {
  try {
    const parts = JSON.parse(Buffer.from(cursor, 'base64url').toString()) as readonly unknown[];
    if (parts.length === parsers.length)
      return parsers.map((parse, index) => parse(parts[index], 'after')) as unknown as Parts;
  } catch {
    // Any problem is reported below.
  }
  throw badInput('after', 'after must be a cursor from a list with the same order');
}
