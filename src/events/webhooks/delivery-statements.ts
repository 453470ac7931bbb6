import type { StoredResult } from '../../deliveries/stored-result.ts';
import { Prisma } from '../../generated/prisma/client.ts';
import { pseudonymPrefix } from '../../subscribers/pseudonym.ts';
import { isUnavailable } from './endpoint-statements.ts';

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

/** An endpoint that has got the events of a page. */
export type MovedEndpoint = {
  readonly id: number;
  /** Whether it receives one of them. */
  readonly hasDeliveries: boolean;
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

/** The result of an attempt, with the response of the receiver. */
export type AttemptRecord = StoredResult & {
  readonly responseStatus: number | null;
  readonly responseBody: string | null;
};

/**
 * Moves the endpoints that are at `cursor` to `nextCursor`, and inserts a delivery of each event that they receive. Of
 * several servers that do so concurrently, one moves an endpoint; ids are assigned in the order of the events. Returns
 * the moved endpoints, each as a `MovedEndpoint`. A delivery that waits for a failed one is due with it: while its row
 * is locked, no result can be stored that would make the later deliveries due without seeing the new one.
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
    SELECT id, EXISTS (SELECT FROM inserted WHERE endpoint_id = locked.id) AS "hasDeliveries" FROM locked`;
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
  // The receiver may have got the username before it was erased, and have repeated it.
  const mayRepeatErased = sql`"responseBody" <> '' AND strpos(d.data::text, ${pseudonymPrefix}) > 0`;
  return sql`
    WITH result AS (
      SELECT * FROM jsonb_to_recordset(${JSON.stringify(records)}::jsonb) AS result
        (id bigint, attempts int, status text, "delayMs" float8, "responseStatus" int, "responseBody" text, error text)
    ), recorded AS (
      UPDATE webhook_deliveries AS d
      SET status = result.status, is_claimed = false, next_attempt_at = now() + "delayMs" * interval '1 ms', last_attempt_at = now(),
        response_status = "responseStatus", response_body = CASE WHEN ${mayRepeatErased} THEN NULL ELSE "responseBody" END, last_error = error,
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
