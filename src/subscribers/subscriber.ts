import {
  parseDate,
  exportedTextParser,
  parseId,
  parsePageSize,
  parseStoredText,
  textParser,
} from '../validation/input-parsers.ts';
import { formatCursor, parseCursor } from '../validation/cursor.ts';
import { excerptOf } from '../validation/quote-value.ts';
import { parseTimestamp, withRowDefaults, type RowJson } from '../database/row-json.ts';
import { AppError, badInput } from '../errors.ts';
import type { Subscriber as SubscriberRow } from '../generated/prisma/client.ts';
import { parseGroupRow, type Group } from '../groups/group.ts';

/** The subscription of a username to a group. */
export type Subscriber = Omit<SubscriberRow, 'movedAt'>;

type SubscriberStatus = 'PENDING' | 'RUNNING' | 'ENDED';

/** A subscriber returned by a mutation, with its state in the mutation's transaction. */
export type SubscriberResult = Subscriber & {
  readonly status?: SubscriberStatus;
  /** Only if the call selects it. */
  readonly group?: Group;
};

/**
 * Returns the state of a subscription. Active are PENDING and RUNNING: a subscription that has not started yet blocks a
 * delete too.
 */
export function statusOf({ startsAt, expiresAt }: Subscriber, now = new Date()): SubscriberStatus {
  if (expiresAt !== null && expiresAt <= now) return 'ENDED';
  return startsAt > now ? 'PENDING' : 'RUNNING';
}

const usernameRules = { min: 1, max: 128, printable: true } as const;

/** Parses the username of a new subscriber. @throws AppError BAD_USER_INPUT */
function parseNewUsername(value: unknown): string {
  return textParser(usernameRules)(value, 'username');
}

/**
 * Parses a stored username, which an earlier version may have accepted under different rules.
 * @throws AppError BAD_USER_INPUT
 */
export function parseStoredUsername(value: unknown): string {
  return exportedTextParser(usernameRules)(value, 'username');
}

/** A subscription that is not stored yet; without `startsAt` it starts when it is. */
export type NewSubscription = Omit<Subscriber, 'startsAt'> & { readonly startsAt: Date | null };

/** Parses the arguments of `subscribe`, or a record of an export. @throws AppError BAD_USER_INPUT */
export function parseSubscription(
  args: { username: unknown; groupId: unknown; startsAt?: Date | null; expiresAt?: Date | null },
  parseName = parseNewUsername,
): NewSubscription {
  const subscription = {
    username: parseName(args.username),
    groupId: parseId(args.groupId, 'groupId', 'Group'),
    startsAt: args.startsAt == null ? null : parseDate(args.startsAt, 'startsAt'),
    expiresAt: args.expiresAt == null ? null : parseDate(args.expiresAt, 'expiresAt'),
  };
  return subscription.startsAt === null ? subscription : startSubscription(subscription);
}

/**
 * Lets a subscription start now, unless it says when. Not while arguments are parsed: a repeated call may come after
 * the end of what the first call has started.
 * @throws AppError BAD_USER_INPUT if it would end before it starts.
 */
export function startSubscription(
  { startsAt, ...subscription }: NewSubscription,
  now = new Date(),
): Subscriber {
  const start = startsAt ?? now;
  if (subscription.expiresAt !== null && subscription.expiresAt <= start) {
    throw badInput(
      'expiresAt',
      `expiresAt must be later than startsAt, which defaults to now: ` +
        `${subscription.expiresAt.toISOString()} is not later than ${start.toISOString()}`,
    );
  }
  return { ...subscription, startsAt: start };
}

/** Parses the arguments of `moveSubscribers`. @throws AppError BAD_USER_INPUT */
export function parseMove(args: { fromGroupId: unknown; toGroupId: unknown }): { from: number; to: number } {
  const from = parseId(args.fromGroupId, 'fromGroupId', 'Group');
  const to = parseId(args.toGroupId, 'toGroupId', 'Group');
  if (from === to) throw badInput('toGroupId', 'toGroupId must differ from fromGroupId');
  return { from, to };
}

/** Parses the arguments of a page of subscribers. @throws AppError BAD_USER_INPUT */
export function parseSubscriberPage(args: { first?: unknown; after?: string | null }): {
  first: number;
  after: string;
} {
  const after = args.after == null ? '' : parseCursor(args.after, [parseStoredText])[0];
  return { first: parsePageSize(args.first), after };
}

/** Returns the cursor of a subscriber in the list of a group. */
export function formatSubscriberCursor({ username }: Subscriber): string {
  return formatCursor([username]);
}

/** Parses a subscriber's row, with or without the fields `status` and `group` that the repository adds to it. */
export function parseSubscriberResult(row: RowJson): SubscriberResult {
  const { status, group } = row as { status?: SubscriberStatus; group?: RowJson };
  return {
    ...parseSubscriberRow(row),
    ...(status && { status }),
    ...(group && { group: parseGroupRow(group) }),
  };
}

/** Parses a subscriber from its row as JSON. */
export function parseSubscriberRow(stored: RowJson): Subscriber {
  const row = withRowDefaults('subscribers', stored);
  const { starts_at: startsAt, expires_at: expiresAt } = row as {
    starts_at: string;
    expires_at: string | null;
  };
  return {
    groupId: row['group_id'] as number,
    username: row['username'] as string,
    startsAt: parseTimestamp(startsAt),
    expiresAt: expiresAt === null ? null : parseTimestamp(expiresAt),
  };
}

/** The error for a username that is not active on a group, or on no group at all if `groupId` is null. */
export function subscriberNotFound(username: string, groupId: number | null): AppError {
  const place = groupId === null ? 'no group' : `group ${groupId}`;
  return new AppError(
    'NOT_FOUND',
    `Subscriber not found: ${excerptOf(username)} is ${groupId === null ? 'on' : 'not on'} ${place}`,
    { username, ...(groupId !== null && { groupId }) },
  );
}
