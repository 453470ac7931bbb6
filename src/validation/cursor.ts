import type { Parse } from './input-parsers.ts';
import { badInput } from '../errors.ts';

/** Writes the cursor of a place in a sorted list: opaque to clients. */
export function formatCursor(parts: readonly (string | number)[]): string {
  return Buffer.from(JSON.stringify(parts)).toString('base64url');
}

/**
 * Reads a cursor back, each part as an argument of its kind would be read.
 * @throws AppError BAD_USER_INPUT where it is not a cursor of such a list.
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
    // It is refused below, whatever is wrong with it.
  }
  throw badInput('after', 'after must be a cursor from a list with the same order');
}
