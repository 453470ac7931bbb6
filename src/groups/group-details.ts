import type { SelectedDetails } from '../mutations/mutation-call.ts';
import type { Transaction } from '../mutations/mutation-runner.ts';
import type { RowJson } from '../database/row-json.ts';
import type { ServiceGroup } from '../service-groups/service-group.ts';

/** What a mutation's result says of a group in addition to its row, as it was in the mutation's transaction. */
export type GroupDetails = {
  readonly serviceGroup?: ServiceGroup | null;
  /** How many active subscribers the group has. 0: all its pages are empty. */
  readonly subscriberCount?: number | null;
  readonly subscriberPages?: readonly SubscriberPageRows[] | null;
};

/** The rows of a page of active subscribers, and one more if there are more. */
type SubscriberPageRows = {
  readonly first: number;
  readonly after: string;
  readonly rows: readonly RowJson[];
};

/** Adds to a group's row the details that a call selects, as the transaction sees them now: one query at most. */
export async function addGroupDetails(
  transaction: Transaction,
  row: RowJson,
  { serviceGroup, subscriberCount, subscriberPages }: SelectedDetails,
): Promise<RowJson> {
  if (!serviceGroup && !subscriberCount && subscriberPages.length === 0) return row;
  const pages = JSON.stringify(subscriberPages);
  const [found] = await transaction.$queryRaw<{ details: RowJson }[]>`
    SELECT jsonb_build_object(
      'serviceGroup', (
        SELECT to_jsonb(service_groups) FROM service_groups WHERE id = ${row['service_group_id']}::int
      ),
      'subscriberCount', CASE WHEN ${subscriberCount} THEN (
        SELECT count(*) FROM subscribers WHERE group_id = ${row['id']}::int AND is_active(expires_at)
      ) END,
      'subscriberPages', (
        SELECT jsonb_agg(jsonb_build_object('first', first, 'after', after, 'rows', (
          SELECT coalesce(jsonb_agg(to_jsonb(subscriber) || jsonb_build_object('status',
            CASE WHEN starts_at > now() THEN 'PENDING' ELSE 'RUNNING' END) ORDER BY subscriber.username), '[]') FROM (
            SELECT * FROM subscribers
            WHERE group_id = ${row['id']}::int AND username > after AND is_active(expires_at)
            ORDER BY username LIMIT first + 1
          ) AS subscriber
        ))) FROM jsonb_to_recordset(${pages}::jsonb) AS page (first int, after text)
      )
    ) AS details`;
  return { ...row, details: found!.details };
}
