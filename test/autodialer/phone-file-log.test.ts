import { expect, test } from '@jest/globals';
import { startServer } from '../support/server-process.ts';
import { testKey, useTestApp } from '../support/test-app.ts';

const app = useTestApp();

test('a file that is read leaves one line in the log: what was read and skipped, and no phone number', async () => {
  const server = startServer({ DATABASE_URL: app.url, ADMIN_API_KEY: testKey, LOG_LEVEL: 'info' });
  const { url } = await server.ready;
  const upload = async (content: string) => {
    const form = new FormData();
    form.append('file', new Blob([content]), 'a.csv');
    const init = { method: 'POST', headers: { 'X-APIKEY': testKey }, body: form };
    const response = await fetch(`${url}/api/v4/autodialer/groups/upload`, init);
    const { data } = (await response.json()) as { data: { filename: string } };
    return data.filename;
  };
  const filenames = [
    await upload(
      'Name,Phone 1 - Type,Phone 1 - Value,Phone 2 - Value\nA,Mobile,09121111111,\n\nB,Home Fax,09122222222,09123333333\n',
    ),
    await upload('1,Ali,09124444444\n2,Reza,09125555555'),
    await upload('BEGIN:VCARD\nTEL:09126666666\nTEL;FAX:09127777777\nTEL:\nEND:VCARD\n'),
  ];
  server.kill('SIGTERM');
  const { stderr } = await server.exited;
  const logged = stderr
    .split('\n')
    .filter((line) => line.includes('read a file of phone numbers'))
    .map((line) => JSON.parse(line) as object);
  expect(logged).toMatchObject([
    {
      filename: filenames[0],
      kind: 'csv',
      encoding: 'utf-8',
      lines: 4,
      numbers: 2,
      skipped: { headerLines: 1, blankLines: 1, emptyPhones: 1, faxNumbers: 1 },
    },
    { filename: filenames[1], lines: 2, numbers: 2, skipped: { rowNumbers: 2, otherCells: 2 } },
    { filename: filenames[2], kind: 'vcf', lines: 5, numbers: 1, skipped: { faxNumbers: 1, emptyPhones: 1 } },
  ]);
  expect(stderr).not.toMatch(/0912\d{7}/);
});
