import { Prisma } from '../../generated/prisma/client.ts';
import { insertAuditEvents } from '../../mutations/audit-log.ts';

const { sql } = Prisma;

/** While an endpoint has so many due deliveries, further events stay in the feed: the audit log is the queue. */
const maxDueDeliveries = 500;
/** The same for all pending deliveries, most of which are retries. */
const maxPendingDeliveries = 50_000;

/** An endpoint that is enabled. */
export type ActiveEndpoint = {
  readonly id: number;
  readonly cursor: string;
  /** Changes whenever an operator has changed the endpoint. */
  readonly updatedAt: Date;
  /** Whether the endpoint's last attempt has failed. */
  readonly isUnavailable: boolean;
  /** How many deliveries may be attempted now, up to the maximum of an endpoint that receives further events. */
  readonly dueCount: number;
  /** Whether so many deliveries are due that further events wait. */
  readonly isFull: boolean;
};

/** The condition that the last attempt at the endpoint `e` has failed. */
export const isUnavailable = sql`(e.unavailable_since IS NOT NULL OR e.failing_since IS NOT NULL)`;

/** Selects the enabled endpoints; each is an `ActiveEndpoint`. */
export const selectActiveEndpoints = sql`
  SELECT id, cursor, updated_at AS "updatedAt", ${isUnavailable} AS "isUnavailable", due.count AS "dueCount",
    due.count >= ${maxDueDeliveries} AS "isFull"
  FROM webhook_endpoints AS e, LATERAL (
    SELECT count(*)::int FROM (
      SELECT FROM webhook_deliveries WHERE endpoint_id = e.id AND status = 'pending' AND next_attempt_at <= now()
      LIMIT ${maxDueDeliveries}
    ) AS due
  ) AS due
  WHERE disabled_at IS NULL ORDER BY id`;

/** Selects the ids of the enabled endpoints with the maximum of pending deliveries, as `id`. */
export const selectOverfullEndpoints = sql`
  SELECT id FROM webhook_endpoints AS e
  WHERE disabled_at IS NULL AND (
    SELECT count(*) FROM (
      SELECT FROM webhook_deliveries WHERE endpoint_id = e.id AND status = 'pending' LIMIT ${maxPendingDeliveries}
    ) AS pending
  ) >= ${maxPendingDeliveries}`;

/** The shortest outage after which the first successful attempt makes all retries of the endpoint due. */
const outage = Prisma.raw(`interval '1 minute'`);

/** The responses of a proxy whose server is unavailable. Others are about the event, and would be the same again. */
const outageStatuses = Prisma.raw('502, 503, 504');

/**
 * Notes that an endpoint has accepted an event after failures. After an outage, the retries are due whose last attempt
 * failed because of it; a delivery that was never sent waits for an earlier one, and is due with its result.
 */
export function noteSuccess(endpointId: number): Prisma.Sql {
  return sql`
    WITH before AS (
      SELECT id, unavailable_since FROM webhook_endpoints
      WHERE id = ${endpointId} AND (unavailable_since IS NOT NULL OR failing_since IS NOT NULL)
      FOR NO KEY UPDATE
    ), available AS (
      UPDATE webhook_endpoints AS e SET unavailable_since = NULL, failing_since = NULL FROM before WHERE e.id = before.id
    )
    UPDATE webhook_deliveries AS d SET next_attempt_at = now() FROM before
    WHERE d.endpoint_id = before.id AND before.unavailable_since < now() - ${outage} AND status = 'pending'
      AND NOT is_claimed AND next_attempt_at > now() AND attempts > 0
      AND (response_status IS NULL OR response_status IN (${outageStatuses}))`;
}

/** How long an endpoint may fail before it is disabled. */
const maxFailing = Prisma.raw(`interval '5 days'`);

/**
 * Notes that an attempt at an endpoint has failed; `isFinal`: a delivery has no attempts left. Disables the endpoint,
 * with an audit event, if it returned 410 (`isGone`) or has been failing for five days. Executing it returns the number
 * of disabled endpoints.
 */
export function noteFailure(
  endpointId: number,
  { isFinal, isGone, requestId }: { isFinal: boolean; isGone: boolean; requestId: string },
): Prisma.Sql {
  const isOver = sql`coalesce(failing_since < now() - ${maxFailing}, false)`;
  const reason = sql`CASE WHEN ${isGone} THEN 'the endpoint returned 410 Gone' ELSE 'the endpoint has been failing for five days' END`;
  return sql`
    WITH noted AS (
      UPDATE webhook_endpoints
      SET unavailable_since = coalesce(unavailable_since, now()),
        failing_since = CASE WHEN ${isFinal} THEN coalesce(failing_since, now()) ELSE failing_since END,
        disabled_at = CASE WHEN ${isGone} OR ${isOver} THEN now() END,
        disabled_reason = CASE WHEN ${isGone} OR ${isOver} THEN ${reason} END
      WHERE id = ${endpointId} AND disabled_at IS NULL AND (unavailable_since IS NULL OR ${isFinal} OR ${isGone} OR ${isOver})
      RETURNING id, disabled_at, disabled_reason
    ), disabled AS (
      SELECT * FROM noted WHERE disabled_at IS NOT NULL
    )
    ${insertAuditEvents(
      {
        account: sql`'group-api'`,
        credential: sql`'none'`,
        address: sql`'local'`,
        request_id: sql`${requestId}`,
        operation: sql`'webhooks disable'`,
        target_ids: sql`ARRAY[id::text]`,
        outcome: sql`'done'`,
        reason: sql`disabled_reason`,
      },
      sql`FROM disabled`,
    )}`;
}
