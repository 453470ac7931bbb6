import { randomBytes } from 'node:crypto';
import { textParser, type Parsed } from '../../validation/input-parsers.ts';
import { parseTimestamp, withRowDefaults, type RowJson } from '../../database/row-json.ts';
import { AppError, badInput } from '../../errors.ts';

/** The autodialer's group: a name and a list of phone numbers. */
export type NumberGroup = {
  /** 24 hexadecimal digits. */
  readonly id: string;
  readonly name: string;
  readonly description: string;
  /** The number of numbers in its list. */
  readonly count: number;
  readonly createdAt: Date;
  readonly listId: bigint;
};

/** In code points, like `maxDescriptionLength`. */
export const maxNameLength = 128;
/** Short enough for a btree index. */
export const maxDescriptionLength = 500;

/** The parsers of a group's fields. */
export const numberGroupFields = {
  name: textParser({ min: 1, max: maxNameLength }),
  description: textParser({ max: maxDescriptionLength, multiline: true }),
};

/** The parsed fields of a group. */
export type NumberGroupFields = Parsed<typeof numberGroupFields>;

/** Creates an id in the vendor's format: seconds since 1970, then 64 random bits. */
export function createNumberGroupId(now = Date.now()): string {
  const seconds = Math.floor(now / 1000).toString(16);
  return seconds.padStart(8, '0') + randomBytes(8).toString('hex');
}

/** The format of ids: case-insensitive, stored in lower case. */
export const numberGroupIdPattern = /^[0-9a-fA-F]{24}$/;

/** Parses the id of a number group. @throws AppError BAD_USER_INPUT */
export function parseNumberGroupId(value: unknown, argument: string): string {
  if (typeof value !== 'string' || !numberGroupIdPattern.test(value))
    throw badInput(argument, `${argument} must be 24 hexadecimal digits`);
  return value.toLowerCase();
}

/** The format of stored phone numbers. */
export const numberPattern = /^[+\d*#]{1,32}$/;
/** The maximum number of numbers in a group. */
export const maxNumbers = 1_000_000;
/** The maximum number of numbers in a request or an upload, before duplicates are removed. */
export const maxNumbersWithDuplicates = 5 * maxNumbers;

/** Converts a row of the database function `number_group_row()`, of this version or an older one. */
export function readNumberGroupRow(storedRow: RowJson): NumberGroup {
  const row = withRowDefaults('number_groups', storedRow);
  return {
    id: row['id'] as string,
    name: row['name'] as string,
    description: row['description'] as string,
    count: row['count'] as number,
    createdAt: parseTimestamp(row['created_at'] as string),
    listId: BigInt(row['list_id'] as string),
  };
}

/** Creates the error for an id without a group. */
export function numberGroupNotFound(): AppError {
  return new AppError('NOT_FOUND', 'There is no such group', { argument: '_id' });
}
