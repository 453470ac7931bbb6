import { randomBytes } from 'node:crypto';
import { textParser, type Parsed } from '../../validation/input-parsers.ts';
import { withRowDefaults } from '../../database/row-defaults.ts';
import type { RowJson } from '../../database/row-json.ts';
import { parseTimestamp } from '../../database/timestamp.ts';
import { AppError, badInput } from '../../errors.ts';

/** The autodialer's group: a name and a list of phone numbers. */
export type NumberGroup = {
  /** 24 hexadecimal digits. */
  readonly id: string;
  readonly name: string;
  readonly description: string;
  /** How many numbers its list has. */
  readonly count: number;
  readonly createdAt: Date;
  readonly listId: bigint;
};

/** In code points, as that of the description. */
export const maxNameLength = 128;
/** Short enough for an index that sorts by it. */
export const maxDescriptionLength = 500;

/** How each field is read that a caller gives. */
export const numberGroupFields = {
  name: textParser({ min: 1, max: maxNameLength }),
  description: textParser({ max: maxDescriptionLength, multiline: true }),
};

/** The fields of a group that a caller gave. */
export type NumberGroupFields = Parsed<typeof numberGroupFields>;

/** Makes an id as the vendor's look: seconds since 1970, then 64 random bits. */
export function createNumberGroupId(now = Date.now()): string {
  const seconds = Math.floor(now / 1000).toString(16);
  return seconds.padStart(8, '0') + randomBytes(8).toString('hex');
}

/** What ids are like: any case is read, lower case is kept. */
export const numberGroupIdPattern = /^[0-9a-fA-F]{24}$/;

/** Reads the id of a number group. @throws AppError BAD_USER_INPUT */
export function parseNumberGroupId(value: unknown, argument: string): string {
  if (typeof value !== 'string' || !numberGroupIdPattern.test(value))
    throw badInput(argument, `${argument} must be 24 hexadecimal digits`);
  return value.toLowerCase();
}

/** What phone numbers are like. */
export const numberPattern = /^[+\d*#]{1,32}$/;
/** How many numbers a group has at most. */
export const maxNumbers = 1_000_000;
/** How many numbers are taken in for it, of which some may be there more than once. */
export const maxNumbersWithDuplicates = 5 * maxNumbers;

/** Reads a row that the database function `number_group_row()` of this version or an older one wrote. */
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

/** There is no group with the id that was given. */
export function numberGroupNotFound(): AppError {
  return new AppError('NOT_FOUND', 'There is no such group', { argument: '_id' });
}
