import {
  boolean,
  integer,
  isoDate,
  parseFields,
  parseId,
  parsePageSize,
  positiveInteger,
  price,
  storedText,
  text,
  withoutNulls,
  type Parse,
} from '../validation/input-parsers.ts';
import { formatCursor, parseCursor } from '../validation/cursor.ts';
import { badInput } from '../errors.ts';
import type { Group } from './group.ts';

const filterFields = {
  text: text({ min: 1, max: 128, multiline: true }),
  tagName: text({ min: 1, max: 64 }),
  serviceGroupId: (value: unknown, argument: string) => parseId(value, argument, 'Service group'),
  minPrice: price,
  maxPrice: price,
  minDuration: integer({ min: 0 }),
  maxDuration: integer({ min: 0 }),
  hidden: boolean,
};

export type GroupOrderField = 'ID' | 'NAME' | 'PRICE' | 'DURATION' | 'CREATED_AT';
type OrderDirection = 'ASC' | 'DESC';

type GroupOrder = { readonly field?: GroupOrderField; readonly direction?: OrderDirection };

/** What `searchGroups` is given. */
type GroupSearchArguments = {
  readonly filter?: object | null | undefined;
  readonly orderBy?: GroupOrder | null | undefined;
  readonly first?: number | null | undefined;
  readonly after?: string | null | undefined;
};

/** A search for groups, read and checked. */
export type GroupSearch = ReturnType<typeof parseGroupSearch>;

/** The place in a search behind which a page begins: what the last group was sorted by, and its id. */
type GroupCursor = { readonly key: string | number; readonly id: number };

/** What each order sorts by, and how that is read back from a cursor. The id breaks ties. */
const sortKeys: Record<
  GroupOrderField,
  { of: (group: Group) => string | number; parse: Parse<string | number> }
> = {
  ID: { of: (group) => group.id, parse: positiveInteger },
  NAME: { of: (group) => group.name, parse: storedText },
  PRICE: { of: (group) => group.price, parse: price },
  DURATION: { of: (group) => group.duration, parse: integer({ min: 0 }) },
  CREATED_AT: { of: (group) => group.createdAt.toISOString(), parse: isoDate },
};

/** Reads the arguments of `searchGroups`. @throws AppError BAD_USER_INPUT */
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

/** The cursor of a group in a search by this field. */
export function formatGroupCursor(group: Group, field: GroupOrderField): string {
  return formatCursor([field, sortKeys[field].of(group), group.id]);
}

function parseGroupCursor(cursor: string, field: GroupOrderField): GroupCursor {
  const isField: Parse<string> = (value, argument) => {
    if (value !== field) throw badInput(argument, 'the cursor is of another order');
    return field;
  };
  const [, key, id] = parseCursor(cursor, [isField, sortKeys[field].parse, positiveInteger]);
  return { key, id };
}
