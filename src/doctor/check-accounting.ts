import type pg from 'pg';
import { findAccountingProblems, type AccountingProblem } from '../radius/check-accounting.ts';
import { failed, passed, type CheckResult } from './check-result.ts';

/**
 * Checks that the current role can read the tables of FreeRADIUS in a schema, from which the open sessions and the
 * secrets of the NAS are read. `schema` is undefined if the settings ask for no Disconnect- or CoA-Requests.
 */
export async function checkAccounting(client: pg.Pool, schema: string | undefined): Promise<CheckResult[]> {
  if (schema === undefined) return [];
  const problems = await findAccountingProblems(schema, async (sql, ...values) => {
    const { rows } = await client.query<AccountingProblem>(sql, values);
    return rows;
  });
  if (problems.length > 0) return problems.map((problem) => failed('accounting', problem));
  return [passed('accounting', `radacct and nas in the schema ${schema} can be read`)];
}
