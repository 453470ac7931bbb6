import { expect } from '@jest/globals';
import type { TestApp } from './test-app.ts';

export const groupsPath = '/api/v4/autodialer/groups';
export const done = 'Requested operation is done successfully';

/** The body of every error. */
export const failure = (message: string) => ({ success: 0, message, data: '' });

/** The message for a line of an uploaded file that cannot be read. */
export const badLine = (line: number, problem: string, place = '') =>
  `Field 'file':line ${line}${place}: ${problem}`;

/** The message for a text that is not a phone number; in a CSV file with its column, and the column's header if it has one. */
export const notANumber = (line: number, column: number | undefined, text: string, header?: string) =>
  badLine(
    line,
    `${JSON.stringify(text)} is not a phone number, which has 1 to 32 of the characters + 0-9 * #`,
    column === undefined ? '' : `, column ${column}${header === undefined ? '' : ` (${header})`}`,
  );

export const notUtf8Problem =
  'it is not valid UTF-8, or contains U+FFFD: the file may be in a Windows character set, such as 1252 or 1256. ' +
  'Save it as UTF-8: in Excel by "Save As" and the file type "CSV UTF-8", in other programs by the character set of the export';

/** Sends requests to the autodialer. `getApp` is called lazily, since tests open the app before they run. */
export function createAutodialerClient(getApp: () => TestApp) {
  const call = (service: string, body: unknown, headers: Record<string, string> = {}) =>
    getApp().post(`${groupsPath}/${service}`, body, headers);
  const addGroup = async (group: object = {}): Promise<string> => {
    const { body } = await call('add', { name: 'plain', numbers: ['1111'], ...group });
    if (body.success !== 1) throw new Error(JSON.stringify(body));
    return body.data._id;
  };
  const upload = (
    content: string | Uint8Array<ArrayBuffer>,
    name = 'numbers.csv',
    headers: Record<string, string> = {},
  ) => {
    const form = new FormData();
    form.append('file', new Blob([content]), name);
    return getApp().send(`${groupsPath}/upload`, { method: 'POST', body: form, headers });
  };
  const numbersOf = async (id: string): Promise<string[]> => {
    const rows = await getApp().sql<{ number: string }>(
      `SELECT entry.number FROM number_groups JOIN number_list_chunks USING (list_id),
         unnest(numbers) WITH ORDINALITY AS entry (number, ordinal)
       WHERE id = $1 ORDER BY position, ordinal`,
      [id],
    );
    return rows.map(({ number }) => number);
  };
  return {
    call,

    /** Adds a group and returns its id. */
    addGroup,

    upload,

    /** The numbers of a group, in order. */
    numbersOf,

    /** Uploads a file and adds a group with it: returns the group's numbers, or the message of a rejected file. */
    numbersIn: async (content: string | Uint8Array<ArrayBuffer>): Promise<string[] | string> => {
      const { status, body } = await upload(content);
      if (body.success !== 1) return body.message;
      expect([status, body]).toStrictEqual([
        200,
        { success: 1, message: '', data: { filename: expect.stringMatching(/^[0-9a-f]{24}\.(csv|vcf)$/) } },
      ]);
      return numbersOf(await addGroup({ numbers: undefined, filename: body.data.filename }));
    },

    /** All state that a rejected call must not change. */
    readNumbers: () =>
      getApp().sql(`SELECT 'group' AS what, id::text, to_jsonb(number_groups) AS row FROM number_groups
        UNION ALL SELECT 'list', id::text, to_jsonb(number_lists) FROM number_lists
        UNION ALL SELECT 'chunk', list_id || '/' || position, to_jsonb(number_list_chunks) FROM number_list_chunks
        UNION ALL SELECT 'archive', id, to_jsonb(deleted_number_groups) FROM deleted_number_groups ORDER BY 1, 2`),
  };
}
