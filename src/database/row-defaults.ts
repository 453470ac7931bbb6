import type pg from 'pg';
import type { RowJson } from './row-json.ts';

/** The tables whose rows are stored as JSON too: in archives, stored responses and exports. */
const tables = ['groups', 'service_groups', 'subscribers', 'number_groups'] as const;
type Table = (typeof tables)[number];

/** One for all databases of this process: they have the tables of the same version. */
let defaultsByTable: Partial<Record<Table, RowJson>> = {};

/** Reads the defaults of the columns of a migrated database. */
export async function loadRowDefaults(pool: pg.Pool): Promise<void> {
  const { rows } = await pool.query<{ defaults: Record<Table, RowJson> }>(
    'SELECT jsonb_object_agg(name, row_defaults(name::regclass)) AS defaults FROM unnest($1::text[]) AS name',
    [tables],
  );
  defaultsByTable = rows[0]!.defaults;
}

/** Adds to a row that was stored as JSON the defaults of columns that the table did not have then. */
export function withRowDefaults(table: Table, row: RowJson): RowJson {
  const defaults = defaultsByTable[table];
  for (const column in defaults) {
    if (!(column in row)) return { ...defaults, ...row };
  }
  return row;
}
