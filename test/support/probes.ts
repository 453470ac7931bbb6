import type { Answer, TestApp } from './test-app.ts';

export const past = '2020-01-01T00:00:00.000Z';
export const future = '2100-01-01T00:00:00.000Z';

/** What tests of the deletion look at beside the answer. The app is asked for late: tests open it before they run. */
export function createProbes(openedApp: () => TestApp) {
  let requestNumber = 0;
  return {
    codeOf: ({ body }: Answer) => body.errors?.[0].extensions.code,

    subscribe: (groupId: number, username: string, dates: { startsAt?: string; expiresAt?: string } = {}) =>
      openedApp().post('/subscribe', { groupId, username, ...dates }),

    subscribersOf: (groupId: number) =>
      openedApp().sql(
        'SELECT username, starts_at, expires_at FROM subscribers WHERE group_id = $1 ORDER BY username',
        [groupId],
      ),

    groupRow: (id: number) => openedApp().sql('SELECT * FROM groups WHERE id = $1', [id]),

    archiveRow: (id: number) => openedApp().sql('SELECT * FROM deleted_groups WHERE id = $1', [id]),

    nextRequestId: () => `test-${++requestNumber}`,

    auditOf: (requestId: string) =>
      openedApp().sql(
        `SELECT operation, outcome, error_code, target_ids, reason, before, after FROM audit_events
         WHERE request_id = $1 ORDER BY id`,
        [requestId],
      ),

    /** All that a refused call must leave as it was. */
    readState: () =>
      openedApp().sql(`SELECT 'group' AS what, id::text, to_jsonb(groups) AS row FROM groups
        UNION ALL SELECT 'subscriber', username || group_id, to_jsonb(subscribers) FROM subscribers
        UNION ALL SELECT 'history', id::text, to_jsonb(subscriber_history) FROM subscriber_history
        UNION ALL SELECT 'archive', id::text, to_jsonb(deleted_groups) FROM deleted_groups
        UNION ALL SELECT 'key', key, to_jsonb(idempotency_keys) FROM idempotency_keys ORDER BY 1, 2`),
  };
}
