import type { Transaction } from '../mutations/mutation-runner.ts';
import { AppError } from '../errors.ts';

/** How many usernames an error names. */
const maxNamed = 10;

/** The group that subscribers are to be moved to is not there; `argument` is what names it. */
export function moveTargetNotFound(argument: string): AppError {
  return new AppError('NOT_FOUND', 'The group to move subscribers to was not found', { argument });
}

/**
 * Moves all active subscribers of a group to another, both of which the transaction holds, and answers how many they were.
 * They keep their usernames and dates.
 * @throws AppError ALREADY_EXISTS where usernames are active on both.
 */
export async function moveActiveSubscribers(
  transaction: Transaction,
  from: number,
  to: number,
): Promise<number> {
  // Somebody whose subscription to the target has ended may come back to it.
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
    throw new AppError('ALREADY_EXISTS', `${count} of the usernames to move are active on both groups`, {
      count,
      usernames,
    });
  }

  return transaction.$executeRaw`
    UPDATE subscribers SET group_id = ${to} WHERE group_id = ${from} AND is_active(expires_at)`;
}
