import { Prisma } from '../generated/prisma/client.ts';
import type { AccountingTables } from './accounting-statements.ts';
import type { Cursors } from './delivery-statements.ts';
import type { SessionChange } from './session-changes.ts';

const { sql } = Prisma;

/**
 * Moves the cursor, if this process still sends and nothing has moved it, and inserts a delivery for each open session
 * that the changes concern. Selects the number of deliveries as `count`; no row if the cursor was not moved.
 *
 * A session is found by its user name: the username with the postfix of the plan before. A user who has another plan
 * with the same user name that started later is not concerned: RADIUS reads that one. `inFlight` are the deliveries
 * whose packets were written before these changes; any other pending one of a session sends the same truth later.
 */
export function fanOut(
  { radacct }: AccountingTables,
  sender: string,
  cursors: Cursors,
  changes: readonly SessionChange[],
  inFlight: readonly bigint[],
): Prisma.Sql {
  const json = JSON.stringify(changes.map((change, position) => ({ ...change, position })));
  return sql`
    WITH moved AS (
      UPDATE radius_feed SET cursor = ${cursors.to} WHERE sender = ${sender} AND cursor = ${cursors.from} RETURNING true
    ), change AS MATERIALIZED (
      SELECT change.* FROM moved, jsonb_to_recordset(${json}::jsonb) AS change (
        position int, "eventId" text, "eventType" text, "eventAt" timestamptz, "of" text, username text, "startsAt" timestamptz,
        "groupId" int, postfix text, "mustDisconnect" boolean, "isForAll" boolean, "loginLimit" int)
    ), split AS MATERIALIZED (
      -- Each open session once for each postfix that it ends with, of which there are few.
      SELECT ${sessionColumns}, left(session.username, length(session.username) - length(postfix)) AS name, postfix
      FROM unnest(ARRAY(SELECT DISTINCT postfix FROM change WHERE "of" <> 'subscriber')) AS postfix
      JOIN ${radacct} AS session ON right(session.username, length(postfix)) = postfix
      WHERE acctstoptime IS NULL AND EXISTS (SELECT FROM change WHERE "of" <> 'subscriber')
    ), concerned AS (
      SELECT change.*, ${sessionColumns}, change.username AS name, "startsAt" AS starts_at
      FROM change JOIN ${radacct} AS session ON session.username = change.username || postfix
      WHERE "of" = 'subscriber' AND acctstoptime IS NULL AND "startsAt" <= "eventAt"
      UNION ALL
      SELECT change.*, split.acctuniqueid, split.acctsessionid, split.user_name, split.nas_address, split.acctstarttime, split.name,
        subscribers.starts_at
      FROM split JOIN subscribers ON subscribers.username = split.name JOIN change ON change.postfix = split.postfix
        AND CASE "of" WHEN 'group' THEN group_id = "groupId" WHEN 'moved' THEN moved_at >= "eventAt" END
      WHERE starts_at <= now() AND is_active(expires_at)
    ), ranked AS (
      SELECT *, dense_rank() OVER (PARTITION BY position, user_name ORDER BY acctstarttime NULLS FIRST, acctuniqueid) AS rank
      FROM concerned WHERE NOT EXISTS (
        SELECT FROM subscribers AS later JOIN groups ON groups.id = later.group_id
        WHERE later.username = concerned.name AND coalesce(username_postfix, '') = postfix
          AND later.starts_at > concerned.starts_at AND later.starts_at <= now() AND is_active(later.expires_at)
      )
    ), told AS (
      SELECT DISTINCT ON (acctuniqueid) *, bool_or("mustDisconnect" OR coalesce(rank > "loginLimit", false))
        OVER (PARTITION BY acctuniqueid) AS must_disconnect
      FROM ranked WHERE "isForAll" OR rank > "loginLimit"
      ORDER BY acctuniqueid, position DESC
    ), inserted AS (
      INSERT INTO radius_deliveries (event_id, event_type, event_at, username, session_id, unique_id, nas_address, must_disconnect)
      SELECT "eventId", "eventType", "eventAt", user_name, acctsessionid, acctuniqueid, nas_address, must_disconnect
      FROM told WHERE NOT EXISTS (
        SELECT FROM radius_deliveries AS waiting
        WHERE unique_id = acctuniqueid AND status = 'pending' AND attempts = 0 AND waiting.must_disconnect >= told.must_disconnect
          AND id <> ALL (${inFlight}::bigint[])
      )
      ORDER BY position, acctuniqueid
      ON CONFLICT (unique_id, event_id) DO NOTHING
      RETURNING id
    )
    SELECT (SELECT count(*)::int FROM inserted) AS count FROM moved`;
}

/** Of `session`, a row of `radacct`. */
const sessionColumns = sql`session.acctuniqueid, session.acctsessionid, session.username AS user_name,
        host(session.nasipaddress) AS nas_address, session.acctstarttime`;
