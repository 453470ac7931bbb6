import type { StoredResult } from '../deliveries/stored-result.ts';
import { Prisma } from '../generated/prisma/client.ts';
import type { AccountingTables } from './accounting-statements.ts';

const { sql } = Prisma;

/** A delivery that is due, with its session. */
export type DueDelivery = {
  readonly id: bigint;
  /** AcctUniqueId of the session. */
  readonly uniqueId: string;
  /** The attempts that have ended. */
  readonly attempts: number;
  readonly nasAddress: string;
  readonly mustDisconnect: boolean;
  /** Whether the session is still open; the columns that follow are null if not. */
  readonly isOpen: boolean;
  readonly sessionId: string | null;
  readonly username: string | null;
  readonly framedAddress: string | null;
};

/** Which deliveries may be sent now. */
export type DueFilter = {
  /** The sessions with an attempt in flight. */
  readonly busySessions: readonly string[];
  readonly busyNas: readonly string[];
  readonly limitOfNas: number;
  readonly limit: number;
};

/** The result of an attempt. */
export type DeliveryResult = StoredResult & {
  readonly request: 'disconnect' | 'coa' | null;
  readonly response: 'ack' | 'nak' | null;
  readonly errorCause: number | null;
};

/** The plan that RADIUS reads for a user name now, as the attributes of the reply. */
export type CurrentPlan = {
  readonly username: string;
  readonly attributes: readonly { readonly attribute: string; readonly value: string }[];
};

/** The cursor before and after a page of events. */
export type Cursors = { readonly from: string; readonly to: string };

/** Inserts the row of the feed, unless it exists: sending starts with the events after `cursor`. */
export function createFeedRow(cursor: string): Prisma.Sql {
  return sql`INSERT INTO radius_feed (cursor) VALUES (${cursor}) ON CONFLICT (id) DO NOTHING`;
}

/**
 * Makes a process the one that sends, or continues to, for `leaseMs`. Selects the cursor, if it is; no row if another
 * process sends.
 */
export function lease(sender: string, leaseMs: number): Prisma.Sql {
  return sql`
    UPDATE radius_feed SET sender = ${sender}, sender_until = now() + ${leaseMs}::float8 * interval '1 ms'
    WHERE sender IS NULL OR sender = ${sender} OR sender_until < now()
    RETURNING cursor`;
}

/** Lets another process send. */
export function releaseLease(sender: string): Prisma.Sql {
  return sql`UPDATE radius_feed SET sender = NULL, sender_until = NULL WHERE sender = ${sender}`;
}

/** Selects the plans of groups that exist or are in the archive: `id`, and the columns of `PlanValues`. */
export function selectPlans(ids: readonly number[]): Prisma.Sql {
  return sql`
    SELECT id, username_postfix AS "usernamePostfix", daily_bandwidth AS "dailyBandwidth", download_upload AS "downloadUpload",
      ip, multi_login_count AS "multiLoginCount"
    FROM groups WHERE id = ANY (${ids}::int[])
    UNION ALL
    SELECT id, group_row ->> 'username_postfix', group_row ->> 'daily_bandwidth', group_row ->> 'download_upload',
      group_row ->> 'ip', (group_row ->> 'multi_login_count')::int
    FROM deleted_groups WHERE id = ANY (${ids}::int[])`;
}

/** Moves the cursor after events that concern no session, as `fanOut` does: selects one row, or none. */
export function moveCursor(sender: string, { from, to }: Cursors): Prisma.Sql {
  return sql`
    UPDATE radius_feed SET cursor = ${to} WHERE sender = ${sender} AND cursor = ${from} RETURNING 0 AS count`;
}

/**
 * Selects the deliveries that are due, up to `limitOfNas` for each NAS, so that the deliveries of one do not delay
 * those of others; each is a `DueDelivery`. Not those for a busy session or NAS.
 */
export function selectDue(
  { radacct }: AccountingTables,
  { busySessions, busyNas, limitOfNas, limit }: DueFilter,
): Prisma.Sql {
  return sql`
    WITH RECURSIVE addresses AS (
      (SELECT nas_address FROM radius_deliveries WHERE status = 'pending' ORDER BY nas_address LIMIT 1)
      UNION ALL
      SELECT (
        SELECT nas_address FROM radius_deliveries WHERE status = 'pending' AND nas_address > addresses.nas_address
        ORDER BY nas_address LIMIT 1
      ) FROM addresses WHERE nas_address IS NOT NULL
    ), due AS MATERIALIZED (
      SELECT due.* FROM addresses, LATERAL (
        SELECT * FROM radius_deliveries
        WHERE nas_address = addresses.nas_address AND nas_address <> ALL (${busyNas}::text[])
          AND status = 'pending' AND next_attempt_at <= now() AND unique_id <> ALL (${busySessions}::text[])
        ORDER BY next_attempt_at LIMIT ${limitOfNas}
      ) AS due
      ORDER BY next_attempt_at LIMIT ${limit}
    )
    SELECT due.id, unique_id AS "uniqueId", attempts, nas_address AS "nasAddress", must_disconnect AS "mustDisconnect",
      session.acctuniqueid IS NOT NULL AS "isOpen", acctsessionid AS "sessionId", session.username, host(framedipaddress) AS "framedAddress"
    FROM due LEFT JOIN ${radacct} AS session ON acctuniqueid = unique_id AND acctstoptime IS NULL
    ORDER BY next_attempt_at, due.id`;
}

/**
 * Selects the plans that RADIUS reads now for these user names, one row for each that has one; each is a
 * `CurrentPlan`: the rows of `radgroupreply` and `radreply`. Those views would read all subscribers for several user
 * names: a user name may end with a postfix of up to 64 characters.
 */
export function selectCurrentPlans(usernames: readonly string[]): Prisma.Sql {
  return sql`
    WITH plan AS (
      SELECT DISTINCT ON (name) name, group_id, expires_at
      FROM unnest(${usernames}::text[]) AS name, LATERAL (
        SELECT * FROM radius_subscriptions WHERE username = name AND subscriber = ANY (ARRAY(
          SELECT left(name, size) FROM generate_series(greatest(1, length(name) - 64), length(name)) AS size
        ))
      ) AS subscription
      ORDER BY name, starts_at DESC, group_id DESC, subscriber DESC
    )
    SELECT name AS username, (
      SELECT coalesce(jsonb_agg(jsonb_build_object('attribute', attribute, 'value', value) ORDER BY position), '[]')
      FROM radius_group_attributes WHERE group_id = plan.group_id AND is_reply
    ) || CASE WHEN expires_at IS NULL THEN '[]' ELSE jsonb_build_array(jsonb_build_object('attribute', 'Session-Timeout', 'value',
      least(greatest(floor(extract(epoch FROM expires_at - now())), 1), 2147483647)::bigint::text)) END AS attributes
    FROM plan`;
}

/** Stores the results of attempts. A success counts in any case; another result, if it is that of the next attempt. */
export function recordResults(results: readonly DeliveryResult[]): Prisma.Sql {
  return sql`
    UPDATE radius_deliveries AS d
    SET status = result.status, attempts = result.attempts, next_attempt_at = now() + "delayMs" * interval '1 ms',
      last_attempt_at = now(), request = result.request, response = result.response, error_cause = "errorCause",
      last_error = error, finished_at = CASE WHEN result.status <> 'pending' THEN now() END
    FROM jsonb_to_recordset(${JSON.stringify(results)}::jsonb) AS result
      (id bigint, attempts int, status text, "delayMs" float8, request text, response text, "errorCause" int, error text)
    WHERE d.id = result.id AND d.status = 'pending' AND (d.attempts = result.attempts - 1 OR result.status = 'delivered')`;
}
