import type { MutationRunner, Transaction } from '../mutations/mutation-runner.ts';
import type { MutationCall } from '../mutations/mutation-call.ts';
import { isPrismaError, uniqueKeyViolated } from '../database/prisma-error.ts';
import type { RowJson } from '../database/row-json.ts';
import { AppError, badInput } from '../errors.ts';
import type { PrismaClient } from '../generated/prisma/client.ts';
import { groupNotFound, parseGroupRow, type Group } from '../groups/group.ts';
import { addGroupDetails } from '../groups/group-details.ts';
import { lockGroups } from '../groups/group-locks.ts';
import { moveActiveSubscribers, moveTargetNotFound } from './move-subscribers.ts';
import {
  parseSubscriberResult,
  parseSubscriberRow,
  statusOf,
  subscriberNotFound,
  type Subscriber,
  type SubscriberResult,
} from './subscriber.ts';

export type SubscriberRepository = ReturnType<typeof createSubscriberRepository>;

/** How many subscribers a group has, by what they are. Active are those that are running or pending. */
export type SubscriberCounts = { readonly active: number; readonly pending: number; readonly ended: number };

/** One page of a group's active subscribers: `first` of them, behind the username `after`. */
export type SubscriberPage = { readonly groupId: number; readonly first: number; readonly after: string };

/** Who is on which group. */
export function createSubscriberRepository(prisma: PrismaClient, mutations: MutationRunner) {
  return {
    /** How many subscribers each of these groups has, in the order of the ids: one query for all of them. */
    async countSubscribers(groupIds: readonly number[]): Promise<SubscriberCounts[]> {
      const rows = await prisma.$queryRaw<({ group_id: number } & SubscriberCounts)[]>`
        SELECT group_id, count(*) FILTER (WHERE is_active(expires_at))::int AS active,
          count(*) FILTER (WHERE is_active(expires_at) AND starts_at > now())::int AS pending,
          count(*) FILTER (WHERE expires_at <= now())::int AS ended
        FROM subscribers WHERE group_id = ANY (${groupIds}::int[]) GROUP BY group_id`;
      const counts = new Map(rows.map(({ group_id, ...each }) => [group_id, each]));
      return groupIds.map((id) => counts.get(id) ?? { active: 0, pending: 0, ended: 0 });
    },

    /** How many active subscribers each of these groups has, in the order of the ids: one query for all of them. */
    async countActiveSubscribers(groupIds: readonly number[]): Promise<number[]> {
      const rows = await prisma.$queryRaw<{ group_id: number; count: number }[]>`
        SELECT group_id, count(*)::int FROM subscribers
        WHERE group_id = ANY (${groupIds}::int[]) AND is_active(expires_at) GROUP BY group_id`;
      const counts = new Map(rows.map(({ group_id, count }) => [group_id, count]));
      return groupIds.map((id) => counts.get(id) ?? 0);
    },

    /** The active subscribers on each of these pages, by username, and one more where there are more: one query for all. */
    async activeSubscribers(pages: readonly SubscriberPage[]): Promise<Subscriber[][]> {
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
      const found: Subscriber[][] = pages.map(() => []);
      for (const { ordinal, row } of rows) found[ordinal]!.push(parseSubscriberRow(row));
      return found;
    },

    /**
     * Puts a username on a group. An ended subscription to it goes to the history first.
     * @throws AppError NOT_FOUND where the group is not there, or is gone at this moment; ALREADY_EXISTS.
     */
    async subscribe(subscriber: Subscriber, call: MutationCall): Promise<SubscriberResult> {
      const row = await mutations.run(call, async (transaction) => {
        await requireGroup(transaction, subscriber.groupId);
        await endSubscription(transaction, subscriber);
        await createSubscriber(transaction, subscriber);
        const created = await readRow(transaction, subscriber);
        return { result: await describeResult(transaction, created, call), after: created };
      });
      return parseSubscriberResult(row);
    },

    /**
     * Takes a username off a group, or off the only one that it is on, and answers what was.
     * @throws AppError NOT_FOUND; BAD_USER_INPUT where it is on several groups and none is given.
     */
    async removeUserSubscription(
      username: string,
      groupId: number | null,
      call: MutationCall,
    ): Promise<SubscriberResult> {
      const row = await mutations.run(call, async (transaction) => {
        const rows = await transaction.$queryRaw<{ row: RowJson; group_id: number }[]>`
          SELECT to_jsonb(subscribers) AS row, group_id FROM subscribers
          WHERE username = ${username} AND coalesce(group_id = ${groupId}::int, true) AND is_active(expires_at)
          ORDER BY group_id LIMIT 2 FOR UPDATE`;
        const [found] = rows;
        if (!found) throw subscriberNotFound();
        if (rows.length > 1)
          throw badInput('groupId', 'The username is on several groups: groupId is required');
        await transaction.$executeRaw`
          WITH removed AS (
            DELETE FROM subscribers WHERE group_id = ${found.group_id} AND username = ${username} RETURNING *
          )
          INSERT INTO subscriber_history (group_id, username, starts_at, expires_at)
          SELECT group_id, username, starts_at, expires_at FROM removed`;
        const result = await describeResult(transaction, found.row, call);
        return { result, targetIds: [found.group_id], before: found.row };
      });
      return parseSubscriberResult(row);
    },

    /**
     * Moves all active subscribers of a group to another.
     * @throws AppError NOT_FOUND with the argument that names the missing group; ALREADY_EXISTS.
     */
    async moveSubscribers(
      from: number,
      to: number,
      call: MutationCall,
    ): Promise<{ from: Group; to: Group; movedCount: number }> {
      const done = await mutations.run(call, async (transaction) => {
        const locked = await lockGroups(transaction, [from], to);
        if (!locked.has(from))
          throw new AppError('NOT_FOUND', 'Group not found', { argument: 'fromGroupId' });
        if (!locked.has(to)) throw moveTargetNotFound('toGroupId');
        const moved = await moveActiveSubscribers(transaction, from, to);
        const fromRow = await readGroup(transaction, from, call);
        const result = { fromRow, toRow: await readGroup(transaction, to, call), movedCount: moved };
        return {
          result,
          targetIds: [from, to],
          after: { fromGroupId: from, toGroupId: to, movedCount: moved },
        };
      });
      return {
        from: parseGroupRow(done.fromRow),
        to: parseGroupRow(done.toRow),
        movedCount: done.movedCount,
      };
    },
  };
}

/** Reads a group, which the transaction locks, with the details that the call selects. */
async function readGroup(
  transaction: Transaction,
  id: number,
  { selectedDetails }: MutationCall,
): Promise<RowJson> {
  const [found] = await transaction.$queryRaw<{ row: RowJson }[]>`
    SELECT group_row(groups) AS row FROM groups WHERE id = ${id}`;
  return addGroupDetails(transaction, found!.row, selectedDetails);
}

/** Adds to a subscriber's row its status and, if the call selects it, its group. */
async function describeResult(transaction: Transaction, row: RowJson, call: MutationCall): Promise<RowJson> {
  const subscriber = parseSubscriberRow(row);
  const status = statusOf(subscriber);
  if (!call.selectedDetails.group) return { ...row, status };
  return { ...row, status, group: await readGroup(transaction, subscriber.groupId, call) };
}

/** Holds a group, so that it cannot be deleted until the transaction ends. @throws AppError NOT_FOUND */
async function requireGroup(transaction: Transaction, id: number): Promise<void> {
  const rows = await transaction.$queryRaw<unknown[]>`SELECT 1 FROM groups WHERE id = ${id} FOR KEY SHARE`;
  if (rows.length === 0) throw groupNotFound();
}

/** Moves what has ended of this username on this group to the history. */
async function endSubscription(transaction: Transaction, { groupId, username }: Subscriber): Promise<void> {
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
    throw new AppError('ALREADY_EXISTS', 'The username is already active on the group', {
      username: subscriber.username,
    });
  }
}

async function readRow(transaction: Transaction, { groupId, username }: Subscriber): Promise<RowJson> {
  const [found] = await transaction.$queryRaw<{ row: RowJson }[]>`
    SELECT to_jsonb(subscribers) AS row FROM subscribers WHERE group_id = ${groupId} AND username = ${username}`;
  return found!.row;
}
