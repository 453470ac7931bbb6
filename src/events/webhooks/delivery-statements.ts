import { Prisma } from '../../generated/prisma/client.ts';
import { insertAuditEvents } from '../../mutations/audit-log.ts';

const { sql } = Prisma;

/** An event as it is inserted for each endpoint that receives its type. */
export type NewDelivery = {
  readonly eventId: string;
  readonly eventType: string;
  /** In the format of `toISOString()`. */
  readonly eventAt: string;
  readonly orderKey: string;
  readonly data: object;
};

/** A delivery whose attempt is about to start, with the current endpoint. */
export type ClaimedDelivery = {
  readonly id: bigint;
  readonly endpointId: number;
  readonly eventId: string;
  readonly eventType: string;
  readonly eventAt: Date;
  readonly data: object;
  /** With the attempt that is about to start. */
  readonly attempts: number;
  readonly url: string;
  readonly secret: string;
  /** Null unless it is still valid. */
  readonly previousSecret: string | null;
  /** Whether the endpoint's last attempt has failed. */
  readonly isUnavailable: boolean;
};

/** The result of an attempt, as it is stored. */
export type AttemptRecord = {
  readonly id: string;
  readonly attempts: number;
  readonly status: 'pending' | 'delivered' | 'failed';
  /** Of a pending delivery, until its next attempt. */
  readonly delayMs: number | null;
  readonly responseStatus: number | null;
  readonly responseBody: string | null;
  readonly error: string | null;
};

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

const isUnavailable = sql`(e.unavailable_since IS NOT NULL OR e.failing_since IS NOT NULL)`;

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

/**
 * Moves the endpoints that are at `cursor` to `nextCursor`, and inserts a delivery of each event that they receive. Of
 * several servers that do so concurrently, one moves an endpoint; ids are assigned in the order of the events. Returns
 * the ids of the endpoints with new deliveries, as `id`. A delivery that waits for a failed one is due with it: while
 * its row is locked, no result can be stored that would make the later deliveries due without seeing the new one.
 */
export function fanOut(
  endpointIds: readonly number[],
  cursor: string,
  nextCursor: string,
  events: readonly NewDelivery[],
): Prisma.Sql {
  return sql`
    WITH locked AS (
      SELECT id, types FROM webhook_endpoints
      WHERE id = ANY (${endpointIds}::int[]) AND cursor = ${cursor} AND disabled_at IS NULL
      FOR NO KEY UPDATE SKIP LOCKED
    ), moved AS (
      UPDATE webhook_endpoints AS e SET cursor = ${nextCursor} FROM locked WHERE e.id = locked.id
    ), inserted AS (
      INSERT INTO webhook_deliveries (endpoint_id, event_id, event_type, event_at, order_key, data, next_attempt_at)
      SELECT locked.id, event->>'eventId', event->>'eventType', (event->>'eventAt')::timestamptz, event->>'orderKey', event->'data',
        greatest(now(), (
          SELECT next_attempt_at FROM webhook_deliveries
          WHERE endpoint_id = locked.id AND order_key = event->>'orderKey' AND status = 'pending' AND NOT is_claimed
          ORDER BY id LIMIT 1 FOR SHARE SKIP LOCKED
        ))
      FROM jsonb_array_elements(${JSON.stringify(events)}::jsonb) WITH ORDINALITY AS list (event, position), locked
      WHERE types = '{}' OR event->>'eventType' = ANY (types)
      ORDER BY position, locked.id
      ON CONFLICT (endpoint_id, event_id) DO NOTHING
      RETURNING endpoint_id
    )
    SELECT DISTINCT endpoint_id AS id FROM inserted`;
}

/**
 * Claims due deliveries of an endpoint for `leaseMs`: after it, any server may claim them again. A delivery waits while
 * an earlier one with the same order key is pending. Each row is a `ClaimedDelivery`.
 */
export function claimDeliveries(endpointId: number, limit: number, leaseMs: number): Prisma.Sql {
  return sql`
    WITH due AS (
      SELECT id FROM webhook_deliveries AS d
      WHERE endpoint_id = ${endpointId} AND status = 'pending' AND next_attempt_at <= now()
        AND NOT EXISTS (
          SELECT FROM webhook_deliveries AS earlier
          WHERE earlier.endpoint_id = d.endpoint_id AND earlier.order_key = d.order_key AND earlier.id < d.id
            AND earlier.status = 'pending'
        )
      ORDER BY next_attempt_at, id LIMIT ${limit}
      FOR NO KEY UPDATE SKIP LOCKED
    )
    UPDATE webhook_deliveries AS d
    SET attempts = attempts + 1, is_claimed = true, next_attempt_at = now() + ${leaseMs}::float8 * interval '1 ms'
    FROM due, webhook_endpoints AS e
    WHERE d.id = due.id AND e.id = d.endpoint_id AND e.disabled_at IS NULL
    RETURNING d.id, d.endpoint_id AS "endpointId", d.event_id AS "eventId", d.event_type AS "eventType",
      d.event_at AS "eventAt", d.data, d.attempts, e.url, e.secret,
      CASE WHEN e.previous_secret_expires_at > now() THEN e.previous_secret END AS "previousSecret",
      ${isUnavailable} AS "isUnavailable"`;
}

/** Gives claimed deliveries back whose attempt has not been made. */
export function releaseDeliveries(
  deliveries: readonly Pick<ClaimedDelivery, 'id' | 'attempts'>[],
): Prisma.Sql {
  const claims = deliveries.map(({ id, attempts }) => ({ id: String(id), attempts }));
  return sql`
    UPDATE webhook_deliveries AS d SET attempts = d.attempts - 1, is_claimed = false, next_attempt_at = now()
    FROM jsonb_to_recordset(${JSON.stringify(claims)}::jsonb) AS claim (id bigint, attempts int)
    WHERE d.id = claim.id AND d.attempts = claim.attempts AND status = 'pending'`;
}

/**
 * Stores the results of attempts. The result of a claim that another server has renewed counts only if the receiver has
 * accepted the event. Later deliveries that wait for a failed one are due with it, so that claims do not read them
 * meanwhile, and with a finished one at once. Those that are due anyway are not written.
 */
export function recordAttempts(records: readonly AttemptRecord[]): Prisma.Sql {
  return sql`
    WITH result AS (
      SELECT * FROM jsonb_to_recordset(${JSON.stringify(records)}::jsonb) AS result
        (id bigint, attempts int, status text, "delayMs" float8, "responseStatus" int, "responseBody" text, error text)
    ), recorded AS (
      UPDATE webhook_deliveries AS d
      SET status = result.status, is_claimed = false, next_attempt_at = now() + "delayMs" * interval '1 ms', last_attempt_at = now(),
        response_status = "responseStatus", response_body = "responseBody", last_error = error,
        finished_at = CASE WHEN result.status <> 'pending' THEN now() END
      FROM result
      WHERE d.id = result.id AND d.status = 'pending' AND (d.attempts = result.attempts OR result.status = 'delivered')
      RETURNING d.id, endpoint_id, order_key, next_attempt_at AS retry_at
    )
    UPDATE webhook_deliveries AS d SET next_attempt_at = coalesce(retry_at, now()) FROM recorded
    WHERE d.endpoint_id = recorded.endpoint_id AND d.order_key = recorded.order_key AND d.id > recorded.id
      AND status = 'pending' AND attempts = 0
      AND CASE WHEN retry_at IS NULL THEN next_attempt_at > now() ELSE next_attempt_at < retry_at END`;
}

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

/** Finished deliveries are deleted after this time. */
const retention = Prisma.raw(`interval '7 days'`);

/** Deletes up to `limit` deliveries that were finished long enough ago. */
export function deleteFinished(limit: number): Prisma.Sql {
  return sql`
    DELETE FROM webhook_deliveries WHERE id IN (
      SELECT id FROM webhook_deliveries WHERE finished_at < now() - ${retention}
      ORDER BY finished_at LIMIT ${limit} FOR UPDATE SKIP LOCKED
    )`;
}
