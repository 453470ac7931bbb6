import type { SelectedDetails } from '../mutations/mutation-call.ts';
import type { Transaction } from '../mutations/mutation-runner.ts';
import type { RowJson } from '../database/row-json.ts';
import type { ServiceGroup } from '../service-groups/service-group.ts';
import { writeRadiusAttributes, type RadiusAttribute } from './radius-attribute-statements.ts';

/** The data that a mutation returns with a group's row, read in the mutation's transaction. */
export type GroupDetails = {
  readonly serviceGroup?: ServiceGroup | null;
  /** The number of active subscribers. 0: all pages are empty. */
  readonly subscriberCount?: number | null;
  readonly subscriberPages?: readonly SubscriberPageRows[] | null;
  readonly radiusAttributes?: RadiusAttribute[] | null;
};

/** The rows of a page of active subscribers, and one more if there are more. */
type SubscriberPageRows = {
  readonly first: number;
  readonly after: string;
  readonly rows: readonly RowJson[];
};

/** Adds the details that a call selects to a group's row, as the transaction currently sees them: at most one query. */
export async function addGroupDetails(
  transaction: Transaction,
  row: RowJson,
  { serviceGroup, subscriberCount, radiusAttributes, subscriberPages }: SelectedDetails,
): Promise<RowJson> {
  if (!serviceGroup && !subscriberCount && !radiusAttributes && subscriberPages.length === 0) return row;
  const pages = JSON.stringify(subscriberPages);
  const [result] = await transaction.$queryRaw<{ details: RowJson }[]>`
    SELECT jsonb_build_object(
      'serviceGroup', (
        SELECT to_jsonb(service_groups) FROM service_groups WHERE id = ${row['service_group_id']}::int
      ),
      'subscriberCount', CASE WHEN ${subscriberCount} THEN (
        SELECT count(*) FROM subscribers WHERE group_id = ${row['id']}::int AND is_active(expires_at)
      ) END,
      'radiusAttributes', CASE WHEN ${radiusAttributes} THEN ${writeRadiusAttributes(row)} END,
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
  return { ...row, details: result!.details };
}
