import {
  date,
  oneOf,
  parseFields,
  parsePageSize,
  text,
  withoutNulls,
  type Parse,
} from '../validation/input-parsers.ts';
import { formatCursor, parseCursor } from '../validation/cursor.ts';
import { badInput } from '../errors.ts';

const word = text({ min: 1, max: 128 });

const filterFields = {
  from: date,
  to: date,
  account: word,
  operation: word,
  targetId: word,
  outcome: oneOf(['done', 'refused', 'dry-run', 'replayed']),
  errorCode: word,
  requestId: word,
};

/** A search in the audit, read and checked. */
export type AuditSearch = ReturnType<typeof parseAuditSearch>;

/** What a search requires of an entry: all that is given. */
export type AuditFilter = {
  readonly [Name in keyof AuditSearch['filter']]?: AuditSearch['filter'][Name] | undefined;
};

/** Reads the arguments of `auditEvents`. @throws AppError BAD_USER_INPUT */
export function parseAuditSearch(args: {
  filter?: object | null;
  first?: number | null;
  after?: string | null;
}) {
  return {
    filter: parseFields(filterFields, withoutNulls(args.filter ?? {}), 'filter'),
    first: parsePageSize(args.first),
    after: args.after == null ? undefined : parseCursor(args.after, [entryId])[0],
  };
}

/** The cursor of an entry. */
export function formatAuditCursor({ id }: { id: bigint }): string {
  return formatCursor([String(id)]);
}

const entryId: Parse<bigint> = (value, argument) => {
  if (typeof value !== 'string' || !/^\d{1,18}$/.test(value))
    throw badInput(argument, `${argument} must be the id of an entry`);
  return BigInt(value);
};
