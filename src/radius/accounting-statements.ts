import { Prisma } from '../generated/prisma/client.ts';

const { sql, raw } = Prisma;

/** The tables of FreeRADIUS that are read, as SQL. */
export type AccountingTables = { readonly radacct: Prisma.Sql; readonly nas: Prisma.Sql };

/** Returns the tables in a schema, whose name is that of the setting RADIUS_ACCOUNTING_SCHEMA. */
export function accountingTablesIn(schema: string): AccountingTables {
  const qualify = (table: string) => raw(`"${schema.replaceAll('"', '""')}"."${table}"`);
  return { radacct: qualify('radacct'), nas: qualify('nas') };
}

/** Selects the rows of `nas`; each is a `NasRow`. */
export function selectNas({ nas }: AccountingTables): Prisma.Sql {
  return sql`SELECT nasname AS name, secret FROM ${nas} ORDER BY id`;
}
