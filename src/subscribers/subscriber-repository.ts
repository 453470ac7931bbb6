import type { MutationRunner, Transaction } from '../mutations/mutation-runner.ts';
import type { MutationCall } from '../mutations/mutation-call.ts';
import { isPrismaError, uniqueKeyViolated } from '../database/prisma-error.ts';
import type { RowJson } from '../database/row-json.ts';
import { AppError, badInput } from '../errors.ts';
import type { PrismaClient } from '../generated/prisma/client.ts';
import { GroupNotFoundError, parseGroupRow, type Group } from '../groups/group.ts';
import { addGroupDetails } from '../groups/group-details.ts';
import { lockGroups, rejectNewSubscribers, requireOpenGroup } from '../groups/group-locks.ts';
import { excerptOf } from '../validation/quote-value.ts';
import { eraseSubscriber, type Erasure } from './erase-subscriber-statements.ts';
import { moveActiveSubscribers } from './move-subscribers.ts';
import {
  parseSubscriberResult,
  parseSubscriberRow,
  startSubscription,
  statusOf,
  subscriberNotFound,
  type NewSubscription,
  type Subscriber,
  type SubscriberResult,
} from './subscriber.ts';

export type SubscriberRepository = ReturnType<typeof createSubscriberRepository>;

/** The numbers of a group's subscribers by state. Active subscribers are running or pending. */
export type SubscriberCounts = { readonly active: number; readonly pending: number; readonly ended: number };

/** A page of a group's active subscribers: at most `first`, after the username `after`. */
export type SubscriberPage = { readonly groupId: number; readonly first: number; readonly after: string };

/** The subscribers in the database. */
export function createSubscriberRepository(prisma: PrismaClient, mutations: MutationRunner) {
  return {
    /** Returns the numbers of subscribers of these groups, in the order of the ids, with one query. */
    async countByState(groupIds: readonly number[]): Promise<SubscriberCounts[]> {
      const rows = await prisma.$queryRaw<({ group_id: number } & SubscriberCounts)[]>`
        SELECT group_id, count(*) FILTER (WHERE is_active(expires_at))::int AS active,
          count(*) FILTER (WHERE is_active(expires_at) AND starts_at > now())::int AS pending,
          count(*) FILTER (WHERE expires_at <= now())::int AS ended
        FROM subscribers WHERE group_id = ANY (${groupIds}::int[]) GROUP BY group_id`;
      const counts = new Map(rows.map(({ group_id, ...states }) => [group_id, states]));
      return groupIds.map((id) => counts.get(id) ?? { active: 0, pending: 0, ended: 0 });
    },

    /** Returns the numbers of active subscribers of these groups, in the order of the ids, with one query. */
    async countActive(groupIds: readonly number[]): Promise<number[]> {
      const rows = await prisma.$queryRaw<{ group_id: number; count: number }[]>`
        SELECT group_id, count(*)::int FROM subscribers
        WHERE group_id = ANY (${groupIds}::int[]) AND is_active(expires_at) GROUP BY group_id`;
      const counts = new Map(rows.map(({ group_id, count }) => [group_id, count]));
      return groupIds.map((id) => counts.get(id) ?? 0);
    },

    /**
     * Returns the active subscribers of these pages, sorted by username, and one more per page if there are more, with
     * one query.
     */
    async listActive(pages: readonly SubscriberPage[]): Promise<Subscriber[][]> {
      const json = JSON.stringify(pages.map((page, ordinal) => ({ ...page, ordinal })));
      const rows = await prisma.$queryRaw<{ ordinal: number; row: RowJson }[]>`
        SELECT ordinal, to_jsonb(subscribers) AS row
        FROM jsonb_to_recordset(${json}::jsonb) AS page (ordinal int, "groupId" int, first int, after text),
        LATERAL (
          SELECT * FROM subscribers
          WHERE group_id = "groupId" AND username > after AND is_active(expires_at)
          ORDER BY username LIMIT first + 1
        ) AS subscribers
        ORDER BY ordinal, username`;
      const subscribers: Subscriber[][] = pages.map(() => []);
      for (const { ordinal, row } of rows) subscribers[ordinal]!.push(parseSubscriberRow(row));
      return subscribers;
    },

    /**
     * Subscribes a username to a group. An ended subscription to it moves to the history first.
     * @throws AppError NOT_FOUND if the group does not exist or is deleted concurrently; GROUP_RETIRED; ALREADY_EXISTS
     */
    async subscribe(subscription: NewSubscription, call: MutationCall): Promise<SubscriberResult> {
      const row = await mutations.run(call, async (transaction) => {
        const subscriber = startSubscription(subscription);
        await lockOpenGroup(transaction, subscriber.groupId);
        await archiveEndedSubscription(transaction, subscriber);
        await createSubscriber(transaction, subscriber);
        const created = await readRow(transaction, subscriber);
        return { result: await addSubscriberDetails(transaction, created, call), after: created };
      });
      return parseSubscriberResult(row);
    },

    /**
     * Ends the subscription of a username to a group, or its only one, and returns it.
     * @throws AppError NOT_FOUND; BAD_USER_INPUT if the username is on several groups and `groupId` is null
     */
    async remove(username: string, groupId: number | null, call: MutationCall): Promise<SubscriberResult> {
      const row = await mutations.run(call, async (transaction) => {
        const rows = await transaction.$queryRaw<{ row: RowJson; group_id: number }[]>`
          SELECT to_jsonb(subscribers) AS row, group_id FROM subscribers
          WHERE username = ${username} AND coalesce(group_id = ${groupId}::int, true) AND is_active(expires_at)
          ORDER BY group_id LIMIT 2 FOR UPDATE`;
        const [subscription] = rows;
        if (!subscription) throw subscriberNotFound(username, groupId);
        if (rows.length > 1)
          throw badInput('groupId', `${excerptOf(username)} is on several groups: groupId is required`);
        await transaction.$executeRaw`
          WITH removed AS (
            DELETE FROM subscribers WHERE group_id = ${subscription.group_id} AND username = ${username} RETURNING *
          )
          INSERT INTO subscriber_history (group_id, username, starts_at, expires_at)
          SELECT group_id, username, starts_at, expires_at FROM removed`;
        const result = await addSubscriberDetails(transaction, subscription.row, call);
        return { result, targetIds: [subscription.group_id], before: subscription.row };
      });
      return parseSubscriberResult(row);
    },

    /**
     * Moves all active subscribers of a group to another.
     * @throws AppError NOT_FOUND with the argument of the missing group; GROUP_RETIRED of the target; ALREADY_EXISTS
     */
    async moveAll(
      from: number,
      to: number,
      call: MutationCall,
    ): Promise<{ from: Group; to: Group; movedCount: number }> {
      const moved = await mutations.run(call, async (transaction) => {
        const locked = await lockGroups(transaction, [from], to);
        if (!locked.has(from)) throw new GroupNotFoundError(from, 'fromGroupId');
        requireOpenGroup(locked, to, 'toGroupId');
        const movedCount = await moveActiveSubscribers(transaction, from, to);
        const fromRow = await readGroup(transaction, from, call);
        const result = { fromRow, toRow: await readGroup(transaction, to, call), movedCount };
        return {
          result,
          targetIds: [from, to],
          after: { fromGroupId: from, toGroupId: to, movedCount },
        };
      });
      return {
        from: parseGroupRow(moved.fromRow),
        to: parseGroupRow(moved.toRow),
        movedCount: moved.movedCount,
      };
    },

    /** Replaces a username by a pseudonym, permanently: see `eraseSubscriber`. */
    erase(username: string, call: MutationCall): Promise<Erasure> {
      return eraseSubscriber(mutations, username, call);
    },
  };
}

/** Reads a group, which the transaction has locked, with the details that the call selects. */
async function readGroup(
  transaction: Transaction,
  id: number,
  { selectedDetails }: MutationCall,
): Promise<RowJson> {
  const [result] = await transaction.$queryRaw<{ row: RowJson }[]>`
    SELECT group_row(groups) AS row FROM groups WHERE id = ${id}`;
  return addGroupDetails(transaction, result!.row, selectedDetails);
}

/** Adds the status and, if the call selects it, the group to a subscriber's row. */
async function addSubscriberDetails(
  transaction: Transaction,
  row: RowJson,
  call: MutationCall,
): Promise<RowJson> {
  const subscriber = parseSubscriberRow(row);
  const status = statusOf(subscriber);
  if (!call.selectedDetails.group) return { ...row, status };
  return { ...row, status, group: await readGroup(transaction, subscriber.groupId, call) };
}

/**
 * Locks a group, so that it can neither be deleted nor retired until the transaction ends.
 * @throws AppError NOT_FOUND, GROUP_RETIRED
 */
async function lockOpenGroup(transaction: Transaction, id: number): Promise<void> {
  const [group] = await transaction.$queryRaw<{ retiresAt: Date | null }[]>`
    SELECT retires_at AS "retiresAt" FROM groups WHERE id = ${id} FOR KEY SHARE`;
  if (!group) throw new GroupNotFoundError(id);
  rejectNewSubscribers(id, group.retiresAt, 'groupId');
}

/** Moves an ended subscription of this username to this group to the history. */
async function archiveEndedSubscription(
  transaction: Transaction,
  { groupId, username }: Subscriber,
): Promise<void> {
  await transaction.$executeRaw`
    WITH ended AS (
      DELETE FROM subscribers WHERE group_id = ${groupId} AND username = ${username} AND expires_at <= now() RETURNING *
    )
    INSERT INTO subscriber_history (group_id, username, starts_at, expires_at)
    SELECT group_id, username, starts_at, expires_at FROM ended`;
}

async function createSubscriber(transaction: Transaction, subscriber: Subscriber): Promise<void> {
  try {
    await transaction.subscriber.createMany({ data: subscriber });
  } catch (error) {
    if (!isPrismaError(error, uniqueKeyViolated)) throw error;
    const { username, groupId } = subscriber;
    throw new AppError(
      'ALREADY_EXISTS',
      `${excerptOf(username)} is already active on group ${groupId}. removeUserSubscription ends that subscription`,
      { username, groupId },
    );
  }
}

async function readRow(transaction: Transaction, { groupId, username }: Subscriber): Promise<RowJson> {
  const [result] = await transaction.$queryRaw<{ row: RowJson }[]>`
    SELECT to_jsonb(subscribers) AS row FROM subscribers WHERE group_id = ${groupId} AND username = ${username}`;
  return result!.row;
}
