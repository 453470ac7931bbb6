import { parseAuditSearch } from '../../src/mutations/audit-event-search.ts';
import { preparePage, writeAuditPageStatement } from '../../src/mutations/audit-page-statement.ts';
import { writeMonthsStatement, type MonthRow } from '../../src/mutations/audit-time-statements.ts';
import pg from 'pg';
import { openTestConnection } from './test-database.ts';

type Filter = Readonly<Record<string, string>>;
type Plan = { readonly [name: string]: unknown; readonly Plans?: readonly Plan[] };

/** Returns how many blocks of tables and indexes the first page of a filtered search reads. */
export async function countAuditBlocks(databaseUrl: string, filter: Filter): Promise<number> {
  const plan = await explainPage(databaseUrl, filter);
  return Number(plan['Shared Hit Blocks']) + Number(plan['Shared Read Blocks']);
}

/** Returns the tables that the execution of the first page of a filtered search opens. */
export async function listAuditTables(databaseUrl: string, filter: Filter): Promise<string[]> {
  const tablesOf = (plan: Plan): unknown[] => [
    plan['Relation Name'],
    ...(plan.Plans ?? []).flatMap(tablesOf),
  ];
  const tables = tablesOf(await explainPage(databaseUrl, filter));
  return [...new Set(tables.filter((table) => typeof table === 'string'))].toSorted();
}

/** Executes a page that is planned as the server plans it: once for all values. */
async function explainPage(databaseUrl: string, filter: Filter): Promise<Plan> {
  const { from, to } = filter;
  const search = parseAuditSearch({
    filter: { ...filter, ...(from && { from: new Date(from) }), ...(to && { to: new Date(to) }) },
  });
  const client = await openTestConnection(databaseUrl);
  try {
    const { rows: months } = await client.query<MonthRow>(writeMonthsStatement(search.filter));
    const statement = writeAuditPageStatement(search, months);
    await client.query('BEGIN');
    await client.query(preparePage);
    await client.query(`PREPARE page AS ${statement.text}`);
    const values = statement.values.map((value) => pg.escapeLiteral(String(value))).join(', ');
    const { rows } = await client.query(`EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) EXECUTE page (${values})`);
    return rows[0]['QUERY PLAN'][0].Plan;
  } finally {
    await client.end();
  }
}
