import type { GroupEdit } from '../generated/graphql.ts';
import type { Group as GroupRow } from '../generated/prisma/client.ts';
import {
  parseBoolean,
  exportedTextParser,
  integerParser,
  parseIpAddress,
  nullableParser,
  parseFields,
  parseId,
  parsePrice,
  requireAnyField,
  requireFields,
  textParser,
  withoutNulls,
  type CreateTextParser,
  type Parse,
  type Parsed,
} from '../validation/input-parsers.ts';
import {
  camelCase,
  camelCaseKeys,
  formatPrice,
  parseTimestamp,
  toRowJson,
  withRowDefaults,
  type RowJson,
} from '../database/row-json.ts';
import { AppError } from '../errors.ts';
import type { GroupDetails } from './group-details.ts';
import type { Retirement } from './retirement.ts';

/** A subscription plan, as the API shows it. */
export type Group = Omit<GroupRow, 'price' | 'retirement'> & {
  /** An exact decimal with two to four decimal places. */
  readonly price: string;
  /** Null if the group is not retired. */
  readonly retirement: Retirement | null;
  /** The details that a mutation returns, if the call selects them. */
  readonly details?: GroupDetails;
};

const createFields = (parseText: CreateTextParser) => ({
  name: parseText({ min: 1, max: 128 }),
  description: parseText({ max: 2000, multiline: true }),
  tagName: parseText({ min: 1, max: 64 }),
  duration: integerParser({ min: 0 }),
  price: parsePrice,
  usernamePostfix: nullableParser(parseText({ max: 64 })),
  usernamePostfixId: nullableParser(parseText({ max: 64 })),
  dailyBandwidth: parseText({ min: 1, max: 64, printable: true }),
  multiLoginCount: integerParser({ min: 0 }),
  downloadUpload: parseText({ min: 1, max: 64, printable: true }),
  ip: nullableParser(parseIpAddress),
  serviceGroupId: nullableParser((value, argument) => parseId(value, argument, 'Service group')),
  hidden: parseBoolean,
  protected: parseBoolean,
});
/** Each field of `input GroupEdit` in schema.graphql has a rule. */
const fields = createFields(textParser) satisfies Record<keyof GroupEdit, Parse<unknown>>;
const exportedFields = createFields(exportedTextParser);

/** The columns of the fields that clients set. */
export const groupInputColumns: readonly string[] = Object.keys(toRowJson(fields));

/** The fields that an edit changes. */
export type GroupChanges = Parsed<typeof fields>;
/** The fields of a new group; omitted fields get the default of the table. */
export type NewGroup = ReturnType<typeof parseNewGroup>;

/** @throws AppError BAD_USER_INPUT "Group id must be a positive integer". */
export function parseGroupId(value: unknown, argument = 'id'): number {
  return parseId(value, argument, 'Group');
}

/** Parses the input of `createGroup`. Null counts as omitted. @throws AppError BAD_USER_INPUT */
export function parseNewGroup(input: unknown) {
  return parseWholeGroup(fields, withoutNulls(input));
}

/**
 * Parses a group of an export, which an earlier version may have accepted under different rules. Omitted
 * fields stay omitted, and null is a value.
 * @throws AppError BAD_USER_INPUT
 */
export function parseExportedGroup(input: unknown) {
  return parseWholeGroup(exportedFields, input);
}

function parseWholeGroup(parsers: typeof fields, input: unknown) {
  return requireFields(
    parseFields(parsers, input, 'group'),
    ['name', 'tagName', 'duration', 'price'],
    'group',
  );
}

/** Parses the input of `editGroup`. @throws AppError BAD_USER_INPUT */
export function parseGroupChanges(input: unknown): GroupChanges {
  return requireAnyField(parseFields(fields, input, 'group'), 'group');
}

/** Parses a row written by the database function group_row() of this or an older version, with or without details. */
export function parseGroupRow(stored: RowJson): Group {
  const row = withRowDefaults('groups', stored);
  const group: Record<string, unknown> = {};
  // In one pass: each delete parses its row, and a list thousands.
  for (const column in row) group[camelCase(column)] = parseColumn(column, row[column]);
  // Columns without a default, which older rows do not have.
  group['retirement'] ??= null;
  group['retiresAt'] ??= null;
  return group as Group;
}

function parseColumn(column: string, value: unknown): unknown {
  if (value === null) return null;
  switch (column) {
    case 'price':
      return formatPrice(value as string);
    case 'created_at':
    case 'updated_at':
    case 'retires_at':
      return parseTimestamp(value as string);
    case 'details':
      return value;
    default:
      return camelCaseKeys(value);
  }
}

/** There is no group with this id. `argument` is the argument with the id, if the call has several groups. */
export class GroupNotFoundError extends AppError {
  override name = 'GroupNotFoundError';
  readonly id: number;
  readonly argument: string | undefined;

  constructor(id: number, argument?: string, problem = argument && `${argument} is ${id}`) {
    const message = problem ? `Group not found: ${problem}` : 'Group not found';
    super('NOT_FOUND', message, { id, ...(argument !== undefined && { argument }) });
    this.id = id;
    this.argument = argument;
  }
}
