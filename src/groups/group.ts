import type { Group as GroupRow } from '../generated/prisma/client.ts';
import {
  boolean,
  exportedText,
  integer,
  ipAddress,
  nullable,
  parseFields,
  parseId,
  price,
  requireAnyField,
  requireFields,
  text,
  withoutNulls,
  type CreateTextParser,
  type Parsed,
} from '../validation/input-parsers.ts';
import { withRowDefaults } from '../database/row-defaults.ts';
import { camelCaseKeys, type RowJson } from '../database/row-json.ts';
import { parseTimestamp } from '../database/timestamp.ts';
import { AppError } from '../errors.ts';
import type { GroupDetails } from './group-details.ts';

/** A subscription plan, as the API shows it. */
export type Group = Omit<GroupRow, 'price'> & {
  /** An exact decimal with two to four decimals. */
  readonly price: string;
  /** Only of a group that a mutation returns, and only those that the call selects. */
  readonly details?: GroupDetails;
};

const createFields = (text: CreateTextParser) => ({
  name: text({ min: 1, max: 128 }),
  description: text({ max: 2000, multiline: true }),
  tagName: text({ min: 1, max: 64 }),
  duration: integer({ min: 0 }),
  price,
  usernamePostfix: nullable(text({ max: 64 })),
  usernamePostfixId: nullable(text({ max: 64 })),
  dailyBandwidth: text({ min: 1, max: 64, printable: true }),
  multiLoginCount: integer({ min: 0 }),
  downloadUpload: text({ min: 1, max: 64, printable: true }),
  ip: nullable(ipAddress),
  serviceGroupId: nullable((value, argument) => parseId(value, argument, 'Service group')),
  hidden: boolean,
  protected: boolean,
});
const fields = createFields(text);
const exportedFields = createFields(exportedText);

/** What an edit changes of a group. */
export type GroupChanges = Parsed<typeof fields>;
/** What a new group is made of; what is not given takes the table's default. */
export type NewGroup = ReturnType<typeof parseNewGroup>;

/** @throws AppError BAD_USER_INPUT "Group id must be a positive integer". */
export function parseGroupId(value: unknown, argument = 'id'): number {
  return parseId(value, argument, 'Group');
}

/** Reads what `createGroup` was given. A null counts as not given. */
export function parseNewGroup(input: unknown) {
  return parseWholeGroup(fields, input);
}

/** Parses a group of an export, which an earlier version may have accepted by other rules. @throws AppError BAD_USER_INPUT */
export function parseExportedGroup(input: unknown) {
  return parseWholeGroup(exportedFields, input);
}

function parseWholeGroup(by: typeof fields, input: unknown) {
  return requireFields(
    parseFields(by, withoutNulls(input), 'group'),
    ['name', 'tagName', 'duration', 'price'],
    'group',
  );
}

/** Reads what `editGroup` was given. */
export function parseGroupChanges(input: unknown): GroupChanges {
  return requireAnyField(parseFields(fields, input, 'group'), 'group');
}

/**
 * Parses a group's row as the database function group_row() wrote it, in this version or an older one, with or without the
 * details of a result.
 */
export function parseGroupRow({ details, ...stored }: RowJson): Group {
  const row = withRowDefaults('groups', stored);
  const group = camelCaseKeys(row) as Group;
  return Object.assign(group, {
    ...(details !== undefined && { details: details as GroupDetails }),
    price: formatPrice(group.price),
    createdAt: parseTimestamp(row['created_at'] as string),
    updatedAt: parseTimestamp(row['updated_at'] as string),
  });
}

/** Writes a decimal with two to four decimals: "29.9" becomes "29.90", "0.1250" becomes "0.125". */
export function formatPrice(decimal: string): string {
  const [whole, fraction = ''] = decimal.split('.');
  return `${whole}.${fraction.replace(/0+$/, '').padEnd(2, '0')}`;
}

export function groupNotFound(): AppError {
  return new AppError('NOT_FOUND', 'Group not found');
}
