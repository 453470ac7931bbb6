import { PrismaPg } from '@prisma/adapter-pg';
import type pg from 'pg';
import { PrismaClient } from '../generated/prisma/client.ts';
import { passed, failed, type CheckResult } from './check-result.ts';

/** The part of schema.prisma that Prisma's client contains. */
type DataModel = {
  readonly models: Readonly<
    Record<
      string,
      {
        readonly dbName: string | null;
        readonly fields: readonly {
          readonly name: string;
          readonly kind: string;
          readonly dbName?: string;
        }[];
      }
    >
  >;
};

/** Returns the columns of each table of this version, by schema.prisma. */
export function readTables(pool: pg.Pool): Record<string, readonly string[]> {
  const client: unknown = new PrismaClient({ adapter: new PrismaPg(pool) });
  const { models } = (client as { _runtimeDataModel: DataModel })._runtimeDataModel;
  return Object.fromEntries(
    Object.entries(models).map(([model, { dbName, fields }]) => [
      dbName ?? model,
      fields.filter(({ kind }) => kind !== 'object').map((field) => field.dbName ?? field.name),
    ]),
  );
}

/** Checks that all objects of the migrations' SQL exist: no migration re-creates an object that was dropped later. */
export async function checkStructure(pool: pg.Pool, sql: string): Promise<CheckResult> {
  const namesAfter = (pattern: RegExp) => [...sql.matchAll(pattern)].map(([, name]) => name!);
  const { rows } = await pool.query<{ missing: string }>(
    `SELECT 'the table ' || entry.key AS missing FROM jsonb_each($1::jsonb) AS entry WHERE to_regclass(entry.key) IS NULL
     UNION ALL
     SELECT format('the column %s.%s', entry.key, name)
     FROM jsonb_each($1::jsonb) AS entry, jsonb_array_elements_text(entry.value) AS name
     WHERE to_regclass(entry.key) IS NOT NULL AND NOT EXISTS (SELECT FROM pg_attribute
       WHERE attrelid = to_regclass(entry.key) AND attname = name AND NOT attisdropped)
     UNION ALL
     SELECT 'the function ' || name FROM unnest($2::text[]) AS name
     WHERE NOT EXISTS (SELECT FROM pg_proc WHERE proname = name AND pg_function_is_visible(oid))
     UNION ALL
     SELECT 'the extension ' || name FROM unnest($3::text[]) AS name
     WHERE NOT EXISTS (SELECT FROM pg_extension WHERE extname = name)`,
    [
      JSON.stringify(readTables(pool)),
      namesAfter(/\bCREATE FUNCTION "(\w+)"/g),
      namesAfter(/\bCREATE EXTENSION IF NOT EXISTS "(\w+)"/g),
    ],
  );
  const missing = rows.map((row) => row.missing);
  return missing.length > 0
    ? failed('tables', `The database lacks ${missing.join(', ')}. Restore a backup`)
    : passed('tables', 'All tables, columns, functions and extensions of this version exist');
}
