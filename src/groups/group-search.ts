import { boolean, integer, parseFields, parseId, price, text, withoutNulls } from '../arguments.ts';
import { badInput } from '../errors.ts';
import type { GroupOrderField, OrderDirection, QuerySearchGroupsArgs } from '../generated/graphql.ts';
import type { Group } from './group.ts';

const maxPageSize = 200;

const filterFields = {
  text: text({ min: 1, max: 128 }),
  tagName: text({ min: 1, max: 64 }),
  serviceGroupId: (value: unknown, argument: string) => parseId(value, argument, 'Service group'),
  minPrice: price,
  maxPrice: price,
  minDuration: integer({ min: 0 }),
  maxDuration: integer({ min: 0 }),
  hidden: boolean,
};

/** A search for groups, read and checked. */
export type GroupSearch = ReturnType<typeof parseGroupSearch>;

/** The place in a search behind which a page begins: what the last group was sorted by, and its id. */
type GroupCursor = { readonly key: string | number; readonly id: number };

/** What each order sorts by, and how that is read back from a cursor. The id breaks ties. */
const sortKeys = {
  ID: { of: (group: Group) => group.id, isKey: Number.isInteger },
  NAME: { of: (group: Group) => group.name, isKey: isString },
  PRICE: {
    of: (group: Group) => group.price,
    isKey: (key: unknown) => /^\d{1,12}\.\d{2,4}$/.test(String(key)),
  },
  DURATION: { of: (group: Group) => group.duration, isKey: Number.isInteger },
  CREATED_AT: { of: (group: Group) => group.createdAt.toISOString(), isKey: isIsoDate },
} satisfies Record<
  GroupOrderField,
  { of: (group: Group) => string | number; isKey: (key: unknown) => boolean }
>;

/** Reads the arguments of `searchGroups`. @throws AppError BAD_USER_INPUT */
export function parseGroupSearch(args: Partial<QuerySearchGroupsArgs>) {
  const field: GroupOrderField = args.orderBy?.field ?? 'ID';
  const direction: OrderDirection = args.orderBy?.direction ?? 'ASC';
  return {
    filter: parseFields(filterFields, withoutNulls(args.filter ?? {}), 'filter'),
    field,
    direction,
    first: integer({ min: 1, max: maxPageSize })(args.first ?? 50, 'first'),
    after: args.after == null ? undefined : parseCursor(args.after, field),
  };
}

/** Writes the cursor of a group in a search by this field. Opaque to clients. */
export function formatCursor(group: Group, field: GroupOrderField): string {
  return Buffer.from(JSON.stringify([field, sortKeys[field].of(group), group.id])).toString('base64url');
}

function parseCursor(cursor: string, field: GroupOrderField): GroupCursor {
  let parts: unknown;
  try {
    parts = JSON.parse(Buffer.from(cursor, 'base64url').toString());
  } catch {
    // It is refused below.
  }
  const [cursorField, key, id] = Array.isArray(parts) ? (parts as unknown[]) : [];
  if (cursorField !== field || !sortKeys[field].isKey(key) || !Number.isInteger(id)) {
    throw badInput('after', 'after must be a cursor from a search with the same order');
  }
  return { key: key as string | number, id: id as number };
}

function isString(key: unknown): boolean {
  return typeof key === 'string';
}

function isIsoDate(key: unknown): boolean {
  return typeof key === 'string' && !Number.isNaN(Date.parse(key));
}
