import { Prisma } from '../generated/prisma/client.ts';
import type { AuditFilter } from './audit-event-search.ts';

const { sql, join, raw } = Prisma;

/** The times of a filter: `from` is inclusive, `to` is exclusive. */
type Times = Pick<AuditFilter, 'from' | 'to'>;

/** A time of a filter, with the start of its month, which has one partition, and that of the next one, in SQL. */
type Boundary = {
  readonly name: 'from' | 'to';
  readonly time: Date;
  readonly since: Prisma.Sql;
  readonly until: Prisma.Sql;
};

/** The boundaries of a page. */
export type Boundaries = { readonly [Name in keyof Times]?: Boundary | undefined };

/** A row of the statement for the months. */
export type MonthRow = { readonly name: 'from' | 'to'; readonly since: string; readonly until: string };

/**
 * Writes the statement that returns the months of `from` and `to`. They are parameters of the statement for the page,
 * so that its execution does not even open the partitions of other months.
 */
export function writeMonthsStatement({ from, to }: Times): Prisma.Sql {
  return sql`
    WITH month AS MATERIALIZED (SELECT until FROM month_partitions('audit_events'))
    SELECT name, coalesce(max(until) FILTER (WHERE until <= time), '-infinity')::text AS since,
      coalesce(min(until) FILTER (WHERE until > time), 'infinity')::text AS until
    FROM (VALUES ('from', ${timeOf(from, '-infinity')}), ('to', ${timeOf(to, 'infinity')})) AS boundary (name, time), month
    GROUP BY name`;
}

/** Returns the boundaries of a page, whose months the statement for the months has returned. */
export function toBoundaries(times: Times, months: readonly MonthRow[]): Boundaries {
  return Object.fromEntries(
    months.map(({ name, since, until }) => {
      const time = times[name];
      return [
        name,
        time && { name, time, since: sql`${since}::timestamptz`, until: sql`${until}::timestamptz` },
      ];
    }),
  );
}

/**
 * Writes the CTEs that end with `bounds`: the ids of a page are above `above` and up to `up_to`, except for those that
 * `writeOutOfOrderEvents` finds up to `newest`, the highest id of the page.
 */
export function writeBounds({ from, to }: Boundaries, newest: bigint): Prisma.Sql[] {
  const upTo = to === undefined ? sql`newest` : sql`least(newest, ${lastIdBefore(to)})`;
  const above = from === undefined ? sql`-1::bigint` : sql`least(coalesce(${lastIdBefore(from)}, -1), up_to)`;
  return [
    ...[from, to].flatMap((boundary) => (boundary ? [writeBoundarySearch(boundary)] : [])),
    sql`upper AS MATERIALIZED (
      SELECT newest, ${upTo} AS up_to FROM (SELECT ${newest}::bigint AS newest) AS page)`,
    sql`bounds AS MATERIALIZED (SELECT newest, up_to, ${above} AS above FROM upper)`,
  ];
}

/**
 * Writes queries for the events between `from` and `to` whose ids are outside the bounds: in long transactions, an
 * event with an earlier time may have a higher id. In the months of both times the BRIN index finds them, in the
 * others, all of whose events are between the times, the primary key. OFFSET 0 permits no other index.
 */
export function writeOutOfOrderEvents(times: Times, { from, to }: Boundaries): Prisma.Sql[] {
  const inMonth = (month: Prisma.Sql, ids: Prisma.Sql) => sql`
    SELECT * FROM audit_events
    WHERE ${writeTimeCondition(times)} AND ${writeTimeBounds(times)} AND ${month} AND ${ids} OFFSET 0`;
  const inOtherMonths = (months: Prisma.Sql, ids: Prisma.Sql) => sql`
    SELECT * FROM audit_events WHERE ${writeTimeBounds(times)} AND ${months} AND ${ids} OFFSET 0`;
  const isAfter = (id: Prisma.Sql) =>
    sql`${id} > (SELECT up_to FROM bounds) AND ${id} <= (SELECT newest FROM bounds)`;
  const isBefore = (id: Prisma.Sql) => sql`${id} <= (SELECT above FROM bounds)`;
  const [key, brinKey] = [sql`id`, sql`(id / 1)`];
  return [
    ...(to === undefined
      ? []
      : [
          inMonth(sql`at >= ${to.since}`, isAfter(brinKey)),
          inOtherMonths(sql`at < ${to.since}`, isAfter(key)),
        ]),
    ...(from === undefined
      ? []
      : [
          inMonth(sql`at < ${from.until}`, isBefore(brinKey)),
          inOtherMonths(sql`at >= ${from.until}`, isBefore(key)),
        ]),
  ];
}

/**
 * Finds by bisection over the ids the boundary between the events before a time and the later ones. If ids and times
 * had the same order, exactly the events up to the last `id` would be before it. Each step reads one event, of the
 * partition that contains the time.
 */
function writeBoundarySearch({ name, time, since, until }: Boundary): Prisma.Sql {
  const isInMonth = sql`at >= ${since} AND at < ${until}`;
  return sql`before_${raw(name)} (id, beyond) AS (
      SELECT min(id) - 1, max(id) + 1 FROM audit_events WHERE ${isInMonth}
      UNION ALL
      SELECT CASE WHEN probe.is_before THEN probe.id ELSE step.id END,
        CASE WHEN probe.is_before THEN step.beyond ELSE (step.id + step.beyond) / 2 END
      FROM before_${raw(name)} AS step LEFT JOIN LATERAL (
        SELECT audit_events.id, at < ${timeOf(time, '')} AND audit_events.id < step.beyond AS is_before
        FROM audit_events WHERE ${isInMonth} AND audit_events.id >= (step.id + step.beyond) / 2
        ORDER BY audit_events.id LIMIT 1
      ) AS probe ON true
      WHERE step.beyond - step.id > 1)`;
}

/** The boundary that a search found, which is that of its last step. */
function lastIdBefore({ name }: Boundary): Prisma.Sql {
  return sql`(SELECT max(id) FROM before_${raw(name)})`;
}

/** The condition that excludes the partitions without an event between the boundaries, true of all events of others. */
export function writeMonthBounds({ from, to }: Boundaries): Prisma.Sql {
  return sql`${from ? sql`at >= ${from.since}` : sql`true`} AND ${to ? sql`at < ${to.until}` : sql`true`}`;
}

/** The condition of a filter on the times, which excludes the partitions of other months. */
export function writeTimeBounds({ from, to }: Times): Prisma.Sql {
  return join(
    [
      sql`true`,
      ...(from === undefined ? [] : [sql`at >= ${timeOf(from, '')}`]),
      ...(to === undefined ? [] : [sql`at < ${timeOf(to, '')}`]),
    ],
    ' AND ',
  );
}

/**
 * The condition of a filter on the times, by the BRIN index of the times. The index has them in an expression that the
 * primary key does not have, so that the planner does not read all of that key.
 */
export function writeTimeCondition({ from, to }: Times): Prisma.Sql {
  const after = sql`(at AT TIME ZONE 'UTC') >= (${timeOf(from, '-infinity')} AT TIME ZONE 'UTC')`;
  return sql`${after} AND (at AT TIME ZONE 'UTC') < (${timeOf(to, 'infinity')} AT TIME ZONE 'UTC')`;
}

/** A time as text with its zone, which is independent of the session's time zone. */
export function timeOf(time: Date | undefined, otherwise: string): Prisma.Sql {
  return sql`${time?.toISOString() ?? otherwise}::timestamptz`;
}
