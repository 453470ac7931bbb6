import type { MutationRunner, Transaction } from '../mutations/mutation-runner.ts';
import type { MutationCall } from '../mutations/mutation-call.ts';
import { runChangeStatement } from '../mutations/change-statement.ts';
import { parseTimestamp, type RowJson } from '../database/row-json.ts';
import { AppError, badInput } from '../errors.ts';
import { Prisma, type PrismaClient } from '../generated/prisma/client.ts';
import { GroupNotFoundError, parseGroupRow, type Group } from '../groups/group.ts';
import { addGroupDetails } from '../groups/group-details.ts';
import { acceptsNoSubscribers, lockGroups, requireOpenGroup } from '../groups/group-locks.ts';
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

/** The maximum number of subscribers that one query reads. */
const maxRowsOfQuery = 500;

/** The subscribers in the database. */
export function createSubscriberRepository(prisma: PrismaClient, mutations: MutationRunner) {
  const listPages = async (pages: readonly SubscriberPage[]): Promise<Subscriber[][]> => {
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
  };

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
     * one query for each 500 of them, so that the rows do not block other requests.
     */
    async listActive(pages: readonly SubscriberPage[]): Promise<Subscriber[][]> {
      const lists: Subscriber[][] = [];
      let part: SubscriberPage[] = [];
      let rowCount = 0;
      for (const page of pages) {
        if (part.length > 0 && rowCount + page.first > maxRowsOfQuery) {
          lists.push(...(await listPages(part)));
          part = [];
          rowCount = 0;
        }
        part.push(page);
        rowCount += page.first;
      }
      return [...lists, ...(await listPages(part))];
    },

    /**
     * Subscribes a username to a group. An ended subscription to it moves to the history first.
     * @throws AppError NOT_FOUND if the group does not exist or is deleted concurrently; GROUP_RETIRED; ALREADY_EXISTS
     */
    async subscribe(subscription: NewSubscription, call: MutationCall): Promise<SubscriberResult> {
      const row = await mutations.run(call, async (transaction) => {
        const { username, groupId, startsAt, expiresAt } = startSubscription(subscription);
        const steps = Prisma.sql`
          locked AS MATERIALIZED (
            -- So that the group can neither be deleted nor retired until the transaction ends.
            SELECT id, retires_at FROM groups WHERE id = ${groupId} FOR KEY SHARE
          ),
          open AS (SELECT id FROM locked WHERE retires_at IS NULL),
          ended AS MATERIALIZED (
            SELECT subscribers.* FROM subscribers JOIN open ON group_id = open.id
            WHERE username = ${username} AND expires_at <= now() FOR UPDATE OF subscribers
          ),
          renewed AS (
            UPDATE subscribers
            SET starts_at = ${startsAt}::timestamptz, expires_at = ${expiresAt}::timestamptz, moved_at = NULL
            FROM ended WHERE subscribers.group_id = ended.group_id AND subscribers.username = ended.username
            RETURNING ${toAuditJson('subscribers')} AS row
          ),
          created AS (
            -- DO NOTHING does not lock an active subscription, so that concurrent calls do not wait for each other.
            INSERT INTO subscribers (group_id, username, starts_at, expires_at)
            SELECT id, ${username}, ${startsAt}::timestamptz, ${expiresAt}::timestamptz FROM open
            WHERE NOT EXISTS (SELECT FROM ended)
            ON CONFLICT DO NOTHING
            RETURNING ${toAuditJson('subscribers')} AS row
          ),
          written AS (SELECT row FROM renewed UNION ALL SELECT row FROM created),
          history AS (
            INSERT INTO subscriber_history (group_id, username, starts_at, expires_at)
            SELECT group_id, username, starts_at, expires_at FROM ended
          ),
          change AS (
            SELECT ARRAY[${groupId}::text] AS target_ids, NULL::jsonb AS before, row AS after, row,
              CASE WHEN locked.id IS NULL THEN 'NOT_FOUND' WHEN retires_at IS NOT NULL THEN to_jsonb(retires_at) #>> '{}'
                WHEN row IS NULL THEN 'ALREADY_EXISTS' END AS rejection
            FROM (VALUES (1)) AS one LEFT JOIN locked ON true LEFT JOIN written ON true
          )`;
        return writeSubscriber(transaction, call, steps, (rejection) => {
          if (rejection === 'NOT_FOUND') return new GroupNotFoundError(groupId);
          if (rejection === 'ALREADY_EXISTS') return alreadyActive(username, groupId);
          return acceptsNoSubscribers({ id: groupId, retiresAt: parseTimestamp(rejection!) }, 'groupId');
        });
      });
      return parseSubscriberResult(row);
    },

    /**
     * Ends the subscription of a username to a group, or its only one, and returns it.
     * @throws AppError NOT_FOUND; BAD_USER_INPUT if the username is on several groups and `groupId` is null
     */
    async remove(username: string, groupId: number | null, call: MutationCall): Promise<SubscriberResult> {
      const row = await mutations.run(call, async (transaction) => {
        const isMeant = Prisma.sql`
          username = ${username} AND coalesce(group_id = ${groupId}::int, true) AND is_active(expires_at)`;
        const steps = Prisma.sql`
          counted AS MATERIALIZED (SELECT count(*) > 1 AS is_ambiguous FROM subscribers WHERE ${isMeant}),
          removed AS (
            DELETE FROM subscribers WHERE ${isMeant} AND NOT (SELECT is_ambiguous FROM counted) RETURNING *
          ),
          history AS (
            INSERT INTO subscriber_history (group_id, username, starts_at, expires_at)
            SELECT group_id, username, starts_at, expires_at FROM removed
          ),
          change AS (
            SELECT ARRAY[removed.group_id::text] AS target_ids, row AS before, NULL::jsonb AS after, row,
              CASE WHEN is_ambiguous THEN 'BAD_USER_INPUT'
                WHEN removed.group_id IS NULL THEN 'NOT_FOUND' END AS rejection
            FROM counted LEFT JOIN (SELECT *, ${toAuditJson('removed')} AS row FROM removed) AS removed ON true
          )`;
        return writeSubscriber(transaction, call, steps, (rejection) =>
          rejection === 'NOT_FOUND'
            ? subscriberNotFound(username, groupId)
            : badInput('groupId', `${excerptOf(username)} is on several groups: groupId is required`),
        );
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

/** Returns the SQL of a row as JSON for the audit log, without `moved_at`, which is internal. */
function toAuditJson(table: 'subscribers' | 'removed'): Prisma.Sql {
  return Prisma.raw(`to_jsonb(${table}) - 'moved_at'`);
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

/** Writes a subscriber, and adds the status and, if the call selects it, the group. */
async function writeSubscriber(
  transaction: Transaction,
  call: MutationCall,
  steps: Prisma.Sql,
  reject: (rejection: string | undefined) => Error,
) {
  const { row, ...change } = await runChangeStatement(transaction, call, steps, reject);
  const subscriber = parseSubscriberRow(row);
  const group = call.selectedDetails.group && {
    group: await readGroup(transaction, subscriber.groupId, call),
  };
  return { ...change, result: { ...row, status: statusOf(subscriber), ...group } };
}

function alreadyActive(username: string, groupId: number): AppError {
  return new AppError(
    'ALREADY_EXISTS',
    `${excerptOf(username)} is already active on group ${groupId}. removeUserSubscription ends that subscription`,
    { username, groupId },
  );
}
