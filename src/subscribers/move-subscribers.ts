import type { Transaction } from '../mutations/mutation-runner.ts';
import { AppError } from '../errors.ts';

/** The maximum number of usernames in an error. */
const maxNamed = 10;

/**
 * Moves all active subscribers of a group to another and returns their number. The transaction must have locked both
 * groups. Usernames and dates do not change; `moved_at` is the time of the audit event, by which the move's subscribers
 * are found.
 * @throws AppError ALREADY_EXISTS if usernames are active on both groups
 */
export async function moveActiveSubscribers(
  transaction: Transaction,
  from: number,
  to: number,
): Promise<number> {
  // Move ended subscriptions on the target to the history first; they would violate the primary key.
  await transaction.$executeRaw`
    WITH ended AS (
      DELETE FROM subscribers AS target USING subscribers AS source
      WHERE target.group_id = ${to} AND target.expires_at <= now()
        AND source.group_id = ${from} AND source.username = target.username AND is_active(source.expires_at)
      RETURNING target.*
    )
    INSERT INTO subscriber_history (group_id, username, starts_at, expires_at)
    SELECT group_id, username, starts_at, expires_at FROM ended`;

  const [onBoth] = await transaction.$queryRaw<{ count: number; usernames: string[] | null }[]>`
    SELECT count(*)::int, (array_agg(username ORDER BY username))[1:${maxNamed}::int] AS usernames
    FROM subscribers AS source JOIN subscribers AS target USING (username)
    WHERE source.group_id = ${from} AND is_active(source.expires_at) AND target.group_id = ${to}`;
  if (onBoth && onBoth.count > 0) {
    const { count, usernames } = onBoth;
    throw new AppError(
      'ALREADY_EXISTS',
      `${count} of the usernames to move are active on both groups, ${from} and ${to}. ` +
        'End one of their two subscriptions with removeUserSubscription',
      { count, usernames },
    );
  }

  return transaction.$executeRaw`
    UPDATE subscribers SET group_id = ${to}, moved_at = now() WHERE group_id = ${from} AND is_active(expires_at)`;
}

/**
 * Stores which active subscribers of a group are about to be moved by its delete, so that they can be moved back. The
 * transaction must have locked the group.
 */
export async function storeMovedSubscribers(transaction: Transaction, groupId: number): Promise<void> {
  await transaction.$executeRaw`
    INSERT INTO moved_subscribers (deleted_group_id, username, starts_at)
    SELECT group_id, username, starts_at FROM subscribers WHERE group_id = ${groupId} AND is_active(expires_at)`;
}

/**
 * Moves the stored subscribers of a restored group back from the group to which its delete moved them, as far as they
 * are still active there, and returns their number. Dates do not change. The transaction must have locked both groups.
 */
export async function moveSubscribersBack(
  transaction: Transaction,
  groupId: number,
  from: number,
): Promise<number> {
  return transaction.$executeRaw`
    UPDATE subscribers SET group_id = ${groupId}, moved_at = now() FROM moved_subscribers AS moved
    WHERE moved.deleted_group_id = ${groupId} AND subscribers.group_id = ${from}
      AND subscribers.username = moved.username AND subscribers.starts_at = moved.starts_at
      AND is_active(subscribers.expires_at)`;
}
