import { parseAuditSearch } from '../../src/mutations/audit-event-search.ts';
import { preparePage, writeAuditPageStatement } from '../../src/mutations/audit-page-statement.ts';
import pg from 'pg';
import { openTestConnection } from './test-database.ts';

/**
 * Returns how many blocks of tables and indexes the first page of a filtered search reads. Planned as the server plans
 * it: once for all values.
 */
export async function countAuditBlocks(
  databaseUrl: string,
  filter: Readonly<Record<string, string>>,
): Promise<number> {
  const { from, to } = filter;
  const search = parseAuditSearch({
    filter: { ...filter, ...(from && { from: new Date(from) }), ...(to && { to: new Date(to) }) },
  });
  const statement = writeAuditPageStatement(search);
  const client = await openTestConnection(databaseUrl);
  try {
    await client.query('BEGIN');
    await client.query(preparePage);
    await client.query(`PREPARE page AS ${statement.text}`);
    const values = statement.values.map((value) => pg.escapeLiteral(String(value))).join(', ');
    const { rows } = await client.query(`EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) EXECUTE page (${values})`);
    const { Plan: plan } = rows[0]['QUERY PLAN'][0];
    return plan['Shared Hit Blocks'] + plan['Shared Read Blocks'];
  } finally {
    await client.end();
  }
}
