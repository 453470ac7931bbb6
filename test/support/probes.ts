import type { ApiResponse, TestApp } from './test-app.ts';

export const past = '2020-01-01T00:00:00.000Z';
export const future = '2100-01-01T00:00:00.000Z';

let requestNumber = 0;

/** Reads the state that tests check in addition to responses. `getApp` is called lazily, since tests open the app before they run. */
export function createProbes(getApp: () => TestApp) {
  return {
    codeOf: ({ body }: ApiResponse) => body.errors?.[0].extensions.code,

    subscribe: (groupId: number, username: string, dates: { startsAt?: string; expiresAt?: string } = {}) =>
      getApp().post('/subscribe', { groupId, username, ...dates }),

    subscribersOf: (groupId: number) =>
      getApp().sql(
        'SELECT username, starts_at, expires_at FROM subscribers WHERE group_id = $1 ORDER BY username',
        [groupId],
      ),

    groupRow: (id: number) => getApp().sql('SELECT * FROM groups WHERE id = $1', [id]),

    archiveRow: (id: number) => getApp().sql('SELECT * FROM deleted_groups WHERE id = $1', [id]),

    nextRequestId: () => `test-${++requestNumber}`,

    auditOf: (requestId: string) =>
      getApp().sql(
        `SELECT operation, outcome, error_code, target_ids, reason, before, after FROM audit_events
         WHERE request_id = $1 ORDER BY id`,
        [requestId],
      ),

    /** All state that a rejected call must not change. */
    readState: () =>
      getApp().sql(`SELECT 'group' AS what, id::text, to_jsonb(groups) AS row FROM groups
        UNION ALL SELECT 'subscriber', username || group_id, to_jsonb(subscribers) FROM subscribers
        UNION ALL SELECT 'history', id::text, to_jsonb(subscriber_history) FROM subscriber_history
        UNION ALL SELECT 'archive', id::text, to_jsonb(deleted_groups) FROM deleted_groups
        UNION ALL SELECT 'key', key, to_jsonb(idempotency_keys) FROM idempotency_keys ORDER BY 1, 2`),
  };
}
