import type pg from 'pg';

/** A row as `to_jsonb()` returns it: the keys are column names, the values plain JSON. */
export type RowJson = { readonly [column: string]: unknown };

/** Converts column names to the API's names, at every depth: `tag_name` to `tagName`. */
export function camelCaseKeys(json: unknown): unknown {
  if (Array.isArray(json)) return json.map(camelCaseKeys);
  if (!isRecord(json)) return json;
  const renamed: Record<string, unknown> = {};
  for (const key in json) renamed[camelCase(key)] = camelCaseKeys(json[key]);
  return renamed;
}

function isRecord(json: unknown): json is Record<string, unknown> {
  return typeof json === 'object' && json !== null;
}

const camelCaseByName = new Map<string, string>();

/** Converts a column name to the API's name. Cached by name; there are only as many names as columns. */
export function camelCase(name: string): string {
  let camelCased = camelCaseByName.get(name);
  if (camelCased === undefined) {
    camelCased = name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
    camelCaseByName.set(name, camelCased);
  }
  return camelCased;
}

/** Converts the API's names to column names, at the top level only: `tagName` to `tag_name`. */
export function toRowJson(record: object): RowJson {
  const columns = Object.entries(record).map(([name, value]) => [
    name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
    value,
  ]);
  return Object.fromEntries(columns) as RowJson;
}

/** The tables whose rows are also stored as JSON: in archives, stored responses and exports. */
const tables = ['groups', 'service_groups', 'subscribers', 'number_groups'] as const;
type Table = (typeof tables)[number];

/** Shared by all databases of this process, which all have the tables of the same version. */
let defaultsByTable: Partial<Record<Table, RowJson>> = {};

/** Loads the column defaults of a migrated database. */
export async function loadRowDefaults(pool: pg.Pool): Promise<void> {
  const { rows } = await pool.query<{ defaults: Record<Table, RowJson> }>(
    'SELECT jsonb_object_agg(name, row_defaults(name::regclass)) AS defaults FROM unnest($1::text[]) AS name',
    [tables],
  );
  defaultsByTable = rows[0]!.defaults;
}

/** Adds the defaults of columns that did not exist yet when a row was stored as JSON. */
export function withRowDefaults(table: Table, row: RowJson): RowJson {
  const defaults = defaultsByTable[table];
  for (const column in defaults) {
    if (!(column in row)) return { ...defaults, ...row };
  }
  return row;
}

/** What `new Date()` parses exactly, up to milliseconds; at other texts it guesses. */
const isoPattern = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:Z|[+-]\d\d:\d\d)$/;
/** Offsets before about 1920 may have seconds: Asia/Tehran had +03:25:44. */
const timestampPattern =
  /^(\d{4,6})-(\d\d)-(\d\d)[T ](\d\d):(\d\d):(\d\d(?:\.\d{1,6})?)(?:Z|([+-])(\d\d)(?::?(\d\d))?(?::?(\d\d))?)( BC)?$/;

/**
 * Parses a `timestamptz` as PostgreSQL formats it in JSON or text, in any session time zone, or the result of
 * `toISOString()`. Returns an invalid date for any other text, such as `infinity`.
 */
export function parseTimestamp(text: string): Date {
  if (isoPattern.test(text)) return new Date(text);
  const [, year, month, day, hours, minutes, seconds, sign, offsetHours, offsetMinutes, offsetSeconds, era] =
    timestampPattern.exec(text) ?? [];
  if (year === undefined) return new Date(Number.NaN);
  const instant = new Date(0);
  instant.setUTCFullYear(era ? 1 - Number(year) : Number(year), Number(month) - 1, Number(day));
  instant.setUTCHours(Number(hours), Number(minutes), 0, Math.floor(Number(seconds) * 1000 + 1e-6));
  const offsetMs =
    ((Number(offsetHours ?? 0) * 60 + Number(offsetMinutes ?? 0)) * 60 + Number(offsetSeconds ?? 0)) * 1000;
  return new Date(instant.getTime() - (sign === '-' ? -offsetMs : offsetMs));
}

/** Writes a decimal with two to four decimals: "29.9" becomes "29.90", "0.1250" becomes "0.125". */
export function formatPrice(decimal: string): string {
  const [whole, fraction = ''] = decimal.split('.');
  return `${whole}.${fraction.replace(/0+$/, '').padEnd(2, '0')}`;
}
