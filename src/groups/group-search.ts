import {
  parseBoolean,
  integerParser,
  parseIsoDate,
  parseFields,
  parseId,
  parsePageSize,
  parsePositiveInteger,
  parsePrice,
  parseStoredText,
  textParser,
  withoutNulls,
  type Parse,
} from '../validation/input-parsers.ts';
import { formatCursor, parseCursor } from '../validation/cursor.ts';
import { badInput } from '../errors.ts';
import type { Group } from './group.ts';

const filterFields = {
  text: textParser({ min: 1, max: 128, multiline: true }),
  tagName: textParser({ min: 1, max: 64 }),
  serviceGroupId: (value: unknown, argument: string) => parseId(value, argument, 'Service group'),
  minPrice: parsePrice,
  maxPrice: parsePrice,
  minDuration: integerParser({ min: 0 }),
  maxDuration: integerParser({ min: 0 }),
  hidden: parseBoolean,
  isRetired: parseBoolean,
};

export type GroupOrderField = 'ID' | 'NAME' | 'PRICE' | 'DURATION' | 'CREATED_AT';
type OrderDirection = 'ASC' | 'DESC';

type GroupOrder = { readonly field?: GroupOrderField; readonly direction?: OrderDirection };

/** The arguments of `searchGroups`. */
type GroupSearchArguments = {
  readonly filter?: object | null | undefined;
  readonly orderBy?: GroupOrder | null | undefined;
  readonly first?: unknown;
  readonly after?: string | null | undefined;
};

/** A parsed search for groups. */
export type GroupSearch = ReturnType<typeof parseGroupSearch>;

/** The last group of the previous page: its sort key and its id. */
type GroupCursor = { readonly key: string | number; readonly id: number };

/** The sort key of each order, and its parser for cursors. The id breaks ties. */
const sortKeys: Record<
  GroupOrderField,
  { keyOf: (group: Group) => string | number; parse: Parse<string | number> }
> = {
  ID: { keyOf: (group) => group.id, parse: parsePositiveInteger },
  NAME: { keyOf: (group) => group.name, parse: parseStoredText },
  PRICE: { keyOf: (group) => group.price, parse: parsePrice },
  DURATION: { keyOf: (group) => group.duration, parse: integerParser({ min: 0 }) },
  CREATED_AT: { keyOf: (group) => group.createdAt.toISOString(), parse: parseIsoDate },
};

/** Parses the arguments of `searchGroups`. @throws AppError BAD_USER_INPUT */
export function parseGroupSearch(args: GroupSearchArguments) {
  const field: GroupOrderField = args.orderBy?.field ?? 'ID';
  const direction: OrderDirection = args.orderBy?.direction ?? 'ASC';
  return {
    filter: parseFields(filterFields, withoutNulls(args.filter ?? {}), 'filter'),
    field,
    direction,
    first: parsePageSize(args.first),
    after: args.after == null ? undefined : parseGroupCursor(args.after, field),
  };
}

/** Returns the cursor of a group in a search with this order. */
export function formatGroupCursor(group: Group, field: GroupOrderField): string {
  return formatCursor([field, sortKeys[field].keyOf(group), group.id]);
}

function parseGroupCursor(cursor: string, field: GroupOrderField): GroupCursor {
  const isField: Parse<string> = (value, argument) => {
    if (value !== field) throw badInput(argument, 'the cursor has a different order');
    return field;
  };
  const [, key, id] = parseCursor(cursor, [isField, sortKeys[field].parse, parsePositiveInteger]);
  return { key, id };
}
