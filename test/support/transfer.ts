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
export const importEvents = (database: TestDatabase) =>
  database.sql(
    `SELECT account, credential, target_ids, outcome, error_code, before, after FROM audit_events
     WHERE operation = 'groups import' ORDER BY id`,
  );
