import type { TestApp } from './test-app.ts';

export const groupsPath = '/api/v4/autodialer/groups';
export const done = 'Requested operation is done successfully';

/** Every refusal's body. */
export const failure = (message: string) => ({ success: 0, message, data: '' });

/** What tests of the autodialer send. The app is asked for late: tests open it before they run. */
export function createAutodialerClient(openedApp: () => TestApp) {
  const call = (service: string, body: unknown, headers: Record<string, string> = {}) =>
    openedApp().post(`${groupsPath}/${service}`, body, headers);
  return {
    call,

    /** Adds a group and answers its id. */
    addGroup: async (group: object = {}): Promise<string> => {
      const { body } = await call('add', { name: 'plain', numbers: ['1111'], ...group });
      if (body.success !== 1) throw new Error(JSON.stringify(body));
      return body.data._id;
    },

    upload: (
      content: string | Uint8Array<ArrayBuffer>,
      name = 'numbers.csv',
      headers: Record<string, string> = {},
    ) => {
      const form = new FormData();
      form.append('file', new Blob([content]), name);
      return openedApp().send(`${groupsPath}/upload`, { method: 'POST', body: form, headers });
    },

    /** The numbers of a group, in order. */
    numbersOf: async (id: string): Promise<string[]> => {
      const rows = await openedApp().sql<{ number: string }>(
        `SELECT entry.number FROM number_groups JOIN number_list_chunks USING (list_id),
           unnest(numbers) WITH ORDINALITY AS entry (number, ordinal)
         WHERE id = $1 ORDER BY position, ordinal`,
        [id],
      );
      return rows.map(({ number }) => number);
    },

    /** All that a refused call must leave as it was. */
    readNumbers: () =>
      openedApp().sql(`SELECT 'group' AS what, id::text, to_jsonb(number_groups) AS row FROM number_groups
        UNION ALL SELECT 'list', id::text, to_jsonb(number_lists) FROM number_lists
        UNION ALL SELECT 'chunk', list_id || '/' || position, to_jsonb(number_list_chunks) FROM number_list_chunks
        UNION ALL SELECT 'archive', id, to_jsonb(deleted_number_groups) FROM deleted_number_groups ORDER BY 1, 2`),
  };
}
