import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { bin, cwd } from './command-line.ts';
import type { TestDatabase } from './test-database.ts';

/** Empties the tables that an export has. */
export const emptyTables = `TRUNCATE groups, service_groups, subscribers, subscriber_history, deleted_groups RESTART IDENTITY`;
/** All state that an import may change, except its audit entry. */
export const readTables = (database: TestDatabase) =>
  database.sql(`SELECT 'service group' AS what, id::text, to_jsonb(service_groups) AS row FROM service_groups
    UNION ALL SELECT 'group', id::text, group_row(groups) FROM groups
    UNION ALL SELECT 'subscriber', group_id || ' ' || username, to_jsonb(subscribers) FROM subscribers
    UNION ALL SELECT 'archive', id::text, to_jsonb(deleted_groups) FROM deleted_groups
    UNION ALL SELECT 'sequence', last_value::text, to_jsonb(is_called) FROM groups_id_seq
    UNION ALL SELECT 'sequence', last_value::text, to_jsonb(is_called) FROM service_groups_id_seq ORDER BY 1, 2`);
/** The counts of one kind of record in the output of an import. */
export const counts = (added = 0, unchanged = 0, restored = 0) => ({ added, restored, unchanged });
/** The audit events of imports, the earliest first. */
export const importEvents = (database: TestDatabase) =>
  database.sql(
    `SELECT account, credential, target_ids, outcome, error_code, before, after FROM audit_events
     WHERE operation = 'groups import' ORDER BY id`,
  );

/** Starts `groups import -` in a separate process, which reads what the test writes. */
export function startImport(database: TestDatabase, ...options: string[]) {
  const child = spawn(process.execPath, [bin, 'groups', 'import', '-', ...options], {
    cwd,
    env: { PATH: process.env['PATH'], DATABASE_URL: database.url },
    stdio: ['pipe', 'ignore', 'pipe'],
  });
  let stderr = '';
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  return {
    stdin: child.stdin,
    kill: (signal: NodeJS.Signals) => void child.kill(signal),
    exited: once(child, 'close').then(([code]) => [code as number | null, stderr]),
  };
}

/** Returns whether an import has inserted subscribers, and waits for more of its file in an open transaction. */
export const isImporting = async (database: TestDatabase) =>
  (
    await database.sql(
      `SELECT FROM pg_stat_activity WHERE datname = current_database() AND state = 'idle in transaction'
         AND query LIKE '%INSERT INTO subscribers%'`,
    )
  ).length > 0;
