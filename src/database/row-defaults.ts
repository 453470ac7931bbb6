import type pg from 'pg';
import type { RowJson } from './row-json.ts';

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
