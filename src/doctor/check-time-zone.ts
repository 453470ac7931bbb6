import type pg from 'pg';
import { passed, warned, failed, type CheckResult } from './check-result.ts';
import { firstMigrationInUtc, repairOperation } from './repair-dates.ts';

const name = 'time zone';
const zonesOfUtc = /^(etc\/)?(utc|uct|gmt|gmt0|zulu|universal|greenwich)$/i;

type Zones = {
  readonly session: string;
  readonly dateStyle: string;
  /** The default that other programs get. */
  readonly default: string;
  readonly defaultDateStyle: string;
};

/**
 * Checks that sessions use the date settings of the server, which a pooler may drop, and whether earlier versions
 * stored dates with the offset of another zone.
 */
export async function checkTimeZone(pool: pg.Pool): Promise<CheckResult> {
  const { rows } = await pool.query<Zones>(
    `SELECT current_setting('TimeZone') AS session, current_setting('DateStyle') AS "dateStyle",
       max(reset_val) FILTER (WHERE name = 'TimeZone') AS default,
       max(reset_val) FILTER (WHERE name = 'DateStyle') AS "defaultDateStyle"
     FROM pg_settings`,
  );
  const zones = rows[0]!;
  if (!zonesOfUtc.test(zones.session) || !zones.dateStyle.startsWith('ISO')) {
    return failed(
      name,
      `A session has TimeZone ${zones.session} and DateStyle ${zones.dateStyle} although UTC and ISO were set: a proxy ` +
        'in front of PostgreSQL drops session settings. Set DATABASE_URL to PostgreSQL itself',
    );
  }
  const zone = (await readConfiguredZone(pool)) ?? zones.default;
  if (!zonesOfUtc.test(zone) && (await hasDatesOfEarlierVersion(pool))) {
    return warned(
      name,
      `The database has the time zone ${zone}, and versions before 0.2 stored dates with its offset. See CHANGELOG.md, then: ` +
        `group-api repair-dates --zone ${zone} --dry-run`,
    );
  }
  const others = zonesOfUtc.test(zone) && zones.defaultDateStyle.startsWith('ISO');
  return passed(
    name,
    others
      ? 'Dates are written and read in UTC'
      : `Dates are written and read in UTC; other programs get TimeZone ${zone} and DateStyle ${zones.defaultDateStyle}`,
  );
}

/** Reads the time zone in the configuration of an embedded PostgreSQL, which the server's start overrides. */
async function readConfiguredZone(pool: pg.Pool): Promise<string | undefined> {
  const { rows } = await pool.query<{ may: boolean }>(
    `SELECT has_table_privilege('pg_file_settings', 'SELECT')
       AND has_function_privilege('pg_show_all_file_settings()', 'EXECUTE') AS may`,
  );
  if (!rows[0]!.may) return undefined;
  const configured = await pool.query<{ setting: string }>(
    `SELECT file.setting FROM pg_file_settings AS file
     WHERE lower(file.name) = 'timezone' AND (SELECT source FROM pg_settings WHERE name = 'TimeZone') = 'session'
       AND (SELECT reset_val FROM pg_settings WHERE name = 'TimeZone') = 'UTC'
     ORDER BY seqno DESC LIMIT 1`,
  );
  return configured.rows[0]?.setting;
}

async function hasDatesOfEarlierVersion(pool: pg.Pool): Promise<boolean> {
  const { rows: tables } = await pool.query<{ exist: boolean }>(
    `SELECT coalesce(has_table_privilege(to_regclass('_prisma_migrations'), 'SELECT')
       AND has_table_privilege(to_regclass('audit_events'), 'SELECT'), false) AS exist`,
  );
  if (!tables[0]!.exist) return false;
  const { rows } = await pool.query<{ has: boolean }>(
    `SELECT coalesce(max(finished_at) FILTER (WHERE migration_name = $1), now()) - min(finished_at) > interval '1 minute'
       AND NOT EXISTS (SELECT FROM audit_events WHERE operation = $2 AND outcome = 'done') AS has
     FROM _prisma_migrations`,
    [firstMigrationInUtc, repairOperation],
  );
  return rows[0]!.has;
}
