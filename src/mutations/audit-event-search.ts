import {
  parseDate,
  enumParser,
  parseFields,
  parsePageSize,
  textParser,
  withoutNulls,
  type Parse,
} from '../validation/input-parsers.ts';
import { formatCursor, parseCursor } from '../validation/cursor.ts';
import { badInput } from '../errors.ts';

const word = textParser({ min: 1, max: 128 });

const filterFields = {
  from: parseDate,
  to: parseDate,
  account: word,
  operation: word,
  targetId: word,
  outcome: enumParser(['done', 'refused', 'dry-run', 'replayed']),
  errorCode: word,
  requestId: word,
};

/** A parsed search of the audit log. */
export type AuditSearch = ReturnType<typeof parseAuditSearch>;

/** The conditions of a search; all of them must match. */
export type AuditFilter = {
  readonly [Name in keyof AuditSearch['filter']]?: AuditSearch['filter'][Name] | undefined;
};

/** Parses the arguments of `auditEvents`. @throws AppError BAD_USER_INPUT */
export function parseAuditSearch(args: { filter?: object | null; first?: unknown; after?: string | null }) {
  return {
    filter: parseFields(filterFields, withoutNulls(args.filter ?? {}), 'filter'),
    first: parsePageSize(args.first),
    after: args.after == null ? undefined : parseCursor(args.after, [eventId])[0],
  };
}

/** Returns the cursor of an event. */
export function formatAuditCursor({ id }: { id: bigint }): string {
  return formatCursor([String(id)]);
}

const eventId: Parse<bigint> = (value, argument) => {
  if (typeof value !== 'string' || !/^\d{1,18}$/.test(value))
    throw badInput(argument, `${argument} must be the id of an audit event`);
  return BigInt(value);
};
