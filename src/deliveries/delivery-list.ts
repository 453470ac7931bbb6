import { AppError, badInput } from '../errors.ts';
import { formatCursor, parseCursor } from '../validation/cursor.ts';
import { parsePageSize, type Parse } from '../validation/input-parsers.ts';
import { quoteValue } from '../validation/quote-value.ts';

/** What the delivery of an event has, whatever receives it. */
export type DeliveryState = {
  readonly id: bigint;
  readonly eventId: string;
  readonly eventType: string;
  readonly eventAt: Date;
  readonly status: string;
  readonly attempts: number;
  /** Null once the delivery is finished. */
  readonly nextAttemptAt: Date | null;
  readonly lastAttemptAt: Date | null;
  readonly lastError: string | null;
  readonly finishedAt: Date | null;
};

/** The columns of a `DeliveryState`, to be selected. */
export const stateColumns = {
  id: true,
  eventId: true,
  eventType: true,
  eventAt: true,
  status: true,
  attempts: true,
  nextAttemptAt: true,
  lastAttemptAt: true,
  lastError: true,
  finishedAt: true,
} as const;

/** The deliveries of a list: all, or those whose last attempt failed; before an id. */
export type DeliverySearch = {
  readonly isFailed: boolean;
  readonly first: number;
  readonly before: bigint | undefined;
};

/** Parses the options of a list of deliveries. @throws AppError BAD_USER_INPUT */
export function parseDeliverySearch({
  isFailed,
  first,
  after,
}: {
  isFailed: boolean;
  first: unknown;
  after: string | undefined;
}): DeliverySearch {
  const before = after === undefined ? undefined : parseCursor(after, [parseDeliveryId])[0];
  return { isFailed, first: parsePageSize(first), before };
}

/** Returns the cursor of a delivery. */
export function formatDeliveryCursor({ id }: { readonly id: bigint }): string {
  return formatCursor([String(id)]);
}

/** Parses the id of a delivery. @throws AppError BAD_USER_INPUT */
export const parseDeliveryId: Parse<bigint> = (value, argument) => {
  if (typeof value !== 'string' || !/^[1-9]\d{0,17}$/.test(value))
    throw badInput(argument, `${argument} must be the id of a delivery, not ${quoteValue(value)}`);
  return BigInt(value);
};

/** Returns the condition of a list, for its count. */
export function filterOf({ isFailed }: Pick<DeliverySearch, 'isFailed'>) {
  return isFailed ? { lastError: { not: null } } : {};
}

/** Reads a page of a list, the latest deliveries first. `read` reads the rows, with the condition of the page. */
export async function readPage<Row>(
  search: DeliverySearch,
  read: (page: {
    where: { lastError?: { not: null }; id?: { lt: bigint } };
    orderBy: { id: 'desc' };
    take: number;
  }) => Promise<Row[]>,
): Promise<{ nodes: Row[]; hasNextPage: boolean }> {
  const { first, before } = search;
  const where = { ...filterOf(search), ...(before !== undefined && { id: { lt: before } }) };
  const rows = await read({ where, orderBy: { id: 'desc' }, take: first + 1 });
  return { nodes: rows.slice(0, first), hasNextPage: rows.length > first };
}

/** Requires a row for each of the ids. `command` lists the deliveries. @throws AppError NOT_FOUND */
export function requireDeliveries(
  ids: readonly bigint[],
  rows: readonly { readonly id: bigint }[],
  command: 'radius deliveries' | 'webhooks deliveries',
): void {
  const missing = ids.filter((id) => !rows.some((row) => row.id === id));
  if (missing.length === 0) return;
  throw new AppError(
    'NOT_FOUND',
    `There is no delivery ${missing.join(', ')}: finished ones are deleted after 7 days; ` +
      `\`group-api ${command}\` lists those that exist`,
  );
}
