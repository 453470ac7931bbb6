import { date, exportedText, parseId, parsePageSize, storedText, text } from '../validation/input-parsers.ts';
import { formatCursor, parseCursor } from '../validation/cursor.ts';
import { withRowDefaults } from '../database/row-defaults.ts';
import type { RowJson } from '../database/row-json.ts';
import { parseTimestamp } from '../database/timestamp.ts';
import { AppError, badInput } from '../errors.ts';
import type { Subscriber as SubscriberRow } from '../generated/prisma/client.ts';
import { parseGroupRow, type Group } from '../groups/group.ts';

/** A username on a group, and from when until when. */
export type Subscriber = SubscriberRow;

export type SubscriberStatus = 'PENDING' | 'RUNNING' | 'ENDED';

/** A subscriber as a mutation returns it, with what it was in the mutation's transaction. */
export type SubscriberResult = Subscriber & {
  readonly status?: SubscriberStatus;
  /** Only if the call selects it. */
  readonly group?: Group;
};

/** Active is who has not ended: whoever has not started yet has a claim already. */
export function statusOf({ startsAt, expiresAt }: Subscriber, now = new Date()): SubscriberStatus {
  if (expiresAt !== null && expiresAt <= now) return 'ENDED';
  return startsAt > now ? 'PENDING' : 'RUNNING';
}

const usernameRules = { min: 1, max: 128, printable: true } as const;

/** Parses the username of a new subscriber. @throws AppError BAD_USER_INPUT */
export function parseUsername(value: unknown): string {
  return text(usernameRules)(value, 'username');
}

/** Parses a username that is stored, which an earlier version may have accepted. @throws AppError BAD_USER_INPUT */
export function parseStoredUsername(value: unknown): string {
  return exportedText(usernameRules)(value, 'username');
}

/** Parses the arguments of `subscribe`, or a record of an export. @throws AppError BAD_USER_INPUT */
export function parseSubscription(
  args: { username: unknown; groupId: unknown; startsAt?: Date | null; expiresAt?: Date | null },
  parseName = parseUsername,
): Subscriber {
  const startsAt = date(args.startsAt ?? new Date(), 'startsAt');
  const expiresAt = args.expiresAt == null ? null : date(args.expiresAt, 'expiresAt');
  if (expiresAt !== null && expiresAt <= startsAt) {
    throw badInput('expiresAt', 'expiresAt must be later than startsAt, which defaults to now');
  }
  return {
    username: parseName(args.username),
    groupId: parseId(args.groupId, 'groupId', 'Group'),
    startsAt,
    expiresAt,
  };
}

/** What `moveSubscribers` was given. @throws AppError BAD_USER_INPUT */
export function parseMove(args: { fromGroupId: unknown; toGroupId: unknown }): { from: number; to: number } {
  const from = parseId(args.fromGroupId, 'fromGroupId', 'Group');
  const to = parseId(args.toGroupId, 'toGroupId', 'Group');
  if (from === to) throw badInput('toGroupId', 'toGroupId must differ from fromGroupId');
  return { from, to };
}

/** Reads a page of subscribers. @throws AppError BAD_USER_INPUT */
export function parseSubscriberPage(args: { first?: unknown; after?: string | null }): {
  first: number;
  after: string;
} {
  const after = args.after == null ? '' : parseCursor(args.after, [storedText])[0];
  return { first: parsePageSize(args.first), after };
}

/** The cursor of a subscriber on the list of a group. */
export function formatSubscriberCursor({ username }: Subscriber): string {
  return formatCursor([username]);
}

/** Parses a subscriber's row, as it is or with what `describeResult` of the repository adds to it. */
export function parseSubscriberResult(row: RowJson): SubscriberResult {
  const { status, group } = row as { status?: SubscriberStatus; group?: RowJson };
  return {
    ...parseSubscriberRow(row),
    ...(status && { status }),
    ...(group && { group: parseGroupRow(group) }),
  };
}

/** Reads a subscriber from its row as JSON. */
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

export function subscriberNotFound(): AppError {
  return new AppError('NOT_FOUND', 'Subscriber not found');
}
