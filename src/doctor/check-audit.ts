import type pg from 'pg';
import { failed, passed, warned, type CheckResult } from './check-result.ts';

const name = 'audit';

/** The audit log or one of its partitions: a statement may name either. */
type AuditTable = {
  readonly table: string;
  /** Whether the user may change rows. */
  readonly may_change: boolean;
  readonly is_owner: boolean;
  readonly trigger: 'enabled' | 'disabled' | 'missing';
};

/** Checks that `user`, the database user, cannot change the audit log, nor any of its partitions. */
export async function checkAudit(client: pg.Pool, user: string): Promise<CheckResult[]> {
  const { rows } = await client.query<AuditTable>(
    `SELECT c.oid::regclass::text AS table,
       has_table_privilege(c.oid, 'UPDATE') OR has_table_privilege(c.oid, 'DELETE')
         OR has_table_privilege(c.oid, 'TRUNCATE') AS may_change,
       pg_has_role(relowner, 'USAGE') AS is_owner,
       CASE WHEN tgenabled IN ('O', 'A') THEN 'enabled' WHEN tgenabled IS NULL THEN 'missing' ELSE 'disabled' END AS trigger
     FROM pg_partition_tree(to_regclass('audit_events')) JOIN pg_class c ON c.oid = relid
       LEFT JOIN pg_trigger ON tgrelid = c.oid AND tgname = 'audit_events_append_only'
     ORDER BY level, 1`,
  );
  if (rows.length === 0) return [];
  const mayChange = rows.some((table) => table.may_change);
  const unguarded = rows.filter(({ trigger }) => trigger !== 'enabled');
  if (unguarded.length > 0) {
    const tables = unguarded.map(({ table }) => table).join(', ');
    const repairs = unguarded.map(writeRepair).join('; ');
    const problem = `The trigger that makes the audit log append-only is missing or disabled on ${tables}. As the owner: ${repairs}`;
    return [mayChange ? failed(name, problem) : warned(name, problem)];
  }
  const changeable = rows.filter((table) => table.may_change && !table.is_owner).map(({ table }) => table);
  if (changeable.length > 0) {
    const revoke = `REVOKE UPDATE, DELETE, TRUNCATE ON ${changeable.join(', ')} FROM ${user}`;
    return [warned(name, `${user} has unnecessary privileges: ${revoke}`)];
  }
  const guard = mayChange ? 'by a trigger, since it owns the tables' : 'by its privileges and by a trigger';
  return [passed(name, `The audit log is append-only for ${user}: ${guard}`)];
}

function writeRepair({ table, trigger }: AuditTable): string {
  return trigger === 'disabled'
    ? `ALTER TABLE ${table} ENABLE TRIGGER audit_events_append_only`
    : writeAuditTrigger(table);
}

/** Writes the SQL that makes the audit log, or one of its partitions, append-only. */
function writeAuditTrigger(table: string): string {
  return (
    `CREATE TRIGGER audit_events_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ${table} FOR EACH STATEMENT ` +
    'EXECUTE FUNCTION refuse_audit_change()'
  );
}
