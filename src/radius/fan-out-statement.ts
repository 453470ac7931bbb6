import { Prisma } from '../generated/prisma/client.ts';
import type { AccountingTables } from './accounting-statements.ts';
import type { Cursors } from './delivery-statements.ts';
import type { SessionChange } from './session-changes.ts';

const { sql, raw, join } = Prisma;

/** The clocks of FreeRADIUS and of the database may differ by this. */
const clockTolerance = raw(`interval '5 minutes'`);

/**
 * Moves the cursor, if this process still sends and nothing has moved it, and inserts a delivery for each open session
 * that the changes concern. Selects the number of deliveries as `count`; no row if the cursor was not moved.
 *
 * A session is found by its user name: the username with a postfix of the plan before. A session that started after an
 * edit or a move has the new plan. A user who has another plan with the same user name that RADIUS reads instead is
 * not concerned. `inFlight` are the deliveries whose packets were written before these changes; any other pending one
 * of a session sends the same truth later.
 */
export function fanOut(
  { radacct }: AccountingTables,
  sender: string,
  cursors: Cursors,
  changes: readonly SessionChange[],
  inFlight: readonly bigint[],
): Prisma.Sql {
  const rows = changes.flatMap(({ postfixes, ...change }, position) =>
    postfixes.map((postfix) => ({ ...change, postfix, position })),
  );
  // Without parts that have no rows, for the planner.
  const kinds = [...new Set(changes.map((change) => change.of))];
  return sql`
    WITH moved AS (
      UPDATE radius_feed SET cursor = ${cursors.to} WHERE sender = ${sender} AND cursor = ${cursors.from} RETURNING true
    ), change AS MATERIALIZED (
      SELECT position, "eventId", "eventType", "eventAt", "of", username, "startsAt", "groupId", postfix, "loginLimit",
        "mustDisconnect" OR "isOther" AS "mustDisconnect", "of" <> 'group' OR "mustDisconnect" OR "isAny" AS "isForAll"
      FROM moved, radius_units, (
        -- The limit is the number of rows, for the planner, which assumes 100.
        SELECT * FROM jsonb_to_recordset(${JSON.stringify(rows)}::jsonb) AS row (
          position int, "eventId" text, "eventType" text, "eventAt" timestamptz, "of" text, username text, "startsAt" timestamptz,
          "groupId" int, postfix text, before jsonb, after jsonb, "mustDisconnect" boolean, "loginLimit" int
        ) LIMIT ${rows.length}
      ) AS row, LATERAL ${differenceOfPlans} AS difference
    ), subscriber AS (
      ${join(
        kinds.map((kind) => subscribersOf[kind]),
        ' UNION ALL ',
      )}
    ), concerned AS (
      SELECT subscriber.*, acctuniqueid, acctsessionid, session.username AS user_name, host(nasipaddress) AS nas_address, acctstarttime
      FROM subscriber JOIN ${radacct} AS session ON session.username = name || postfix
      WHERE acctstoptime IS NULL AND ("of" = 'subscriber' OR coalesce(acctstarttime <= "eventAt" + ${clockTolerance}, true))
    ), ranked AS (
      SELECT *, dense_rank() OVER (PARTITION BY position, user_name ORDER BY acctstarttime NULLS FIRST, acctuniqueid) AS rank
      FROM concerned WHERE NOT EXISTS (
        -- In the order of the RADIUS views.
        SELECT FROM subscribers AS later JOIN groups ON groups.id = later.group_id
        WHERE later.username = concerned.name AND coalesce(username_postfix, '') = postfix
          AND (later.starts_at, later.group_id) > (concerned.starts_at, concerned.group_id)
          AND is_running(later.starts_at, later.expires_at)
      )
    ), selected_session AS (
      SELECT DISTINCT ON (acctuniqueid) *, bool_or("mustDisconnect" OR coalesce(rank > "loginLimit", false))
        OVER (PARTITION BY acctuniqueid) AS must_disconnect
      FROM ranked WHERE "isForAll" OR rank > "loginLimit"
      ORDER BY acctuniqueid, position DESC
    ), inserted AS (
      INSERT INTO radius_deliveries (event_id, event_type, event_at, username, session_id, unique_id, nas_address, must_disconnect)
      SELECT "eventId", "eventType", "eventAt", user_name, acctsessionid, acctuniqueid, nas_address, must_disconnect
      FROM selected_session WHERE NOT EXISTS (
        SELECT FROM radius_deliveries AS waiting
        WHERE unique_id = acctuniqueid AND status = 'pending' AND attempts = 0
          AND waiting.must_disconnect >= selected_session.must_disconnect AND id <> ALL (${inFlight}::bigint[])
      )
      ORDER BY position, acctuniqueid
      ON CONFLICT (unique_id, event_id) DO NOTHING
      RETURNING id
    )
    SELECT (SELECT count(*)::int FROM inserted) AS count FROM moved`;
}

/** The subscribers of changes, by indexes: those of a group, those that were moved, or one that was removed. */
const subscribersOf: Readonly<Record<SessionChange['of'], Prisma.Sql>> = {
  subscriber: sql`
      SELECT change.*, username AS name, "startsAt" AS starts_at, "groupId" AS group_id FROM change
      WHERE "of" = 'subscriber' AND "startsAt" <= "eventAt"`,
  group: sql`
      SELECT change.*, s.username AS name, starts_at, group_id FROM change JOIN subscribers AS s ON group_id = "groupId"
      WHERE "of" = 'group' AND is_running(starts_at, expires_at)`,
  moved: sql`
      SELECT change.*, s.username AS name, starts_at, greatest(group_id, "groupId") AS group_id
      FROM change JOIN subscribers AS s ON moved_at >= "eventAt"
      WHERE "of" = 'moved' AND is_running(starts_at, expires_at)`,
};

/**
 * Whether the attributes of the plans differ, apart from the login limit, which has its own rule; and whether those do
 * that a CoA-Request does not change: it changes the speed. The address stays the same until the session ends, and the
 * quota is a matter of the RADIUS server, which applies it to the next session.
 */
const differenceOfPlans = sql`(
        SELECT coalesce(bool_or(attribute <> 'Simultaneous-Use'), false) AS "isAny", coalesce(bool_or(attribute NOT IN
          ('Simultaneous-Use', 'Mikrotik-Rate-Limit', 'WISPr-Bandwidth-Max-Down', 'WISPr-Bandwidth-Max-Up')), false) AS "isOther"
        FROM ${attributesOf('before')} AS one FULL JOIN ${attributesOf('after')} AS other USING (attribute)
        WHERE one.value IS DISTINCT FROM other.value
      )`;

/** Calls the function of the RADIUS views for a plan in a column of JSON. */
function attributesOf(column: 'before' | 'after'): Prisma.Sql {
  const plan = raw(column);
  return sql`radius_attributes((${plan} ->> 'id')::int, ${plan} ->> 'downloadUpload', ${plan} ->> 'dailyBandwidth',
          (${plan} ->> 'multiLoginCount')::int, ${plan} ->> 'ip', rate_unit, quota_unit)`;
}
