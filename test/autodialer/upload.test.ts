import { readdirSync } from 'node:fs';
import { connect } from 'node:net';
import { describe, expect, test } from '@jest/globals';
import { createAutodialerClient, failure, groupsPath } from '../support/autodialer.ts';
import { createProbes } from '../support/probes.ts';
import { testKey, useTestApp } from '../support/test-app.ts';
import { useTestFolder } from '../support/test-folder.ts';
import { waitUntil } from '../support/wait-until.ts';

const app = useTestApp({ CORS_ORIGINS: ['https://pbx.example'] });
const { call, addGroup, upload, numbersOf, readNumbers } = createAutodialerClient(() => app);
const { auditOf, nextRequestId } = createProbes(() => app);

describe('a file', () => {
  const temporaryFolder = useTestFolder();

  test('an uploaded file is used once', async () => {
    const { body } = await upload('1\n2\n');
    const { filename } = body.data;
    await addGroup({ numbers: undefined, filename });
    expect((await call('add', { name: 'b', filename })).body).toStrictEqual(
      failure("Field 'filename':There is no such file: it was used, or is older than a day. Upload it again"),
    );
  });

  test('of twenty groups that use a file concurrently one gets it', async () => {
    const { body } = await upload('1\n');
    const { filename } = body.data;
    const answers = await Promise.all(Array.from({ length: 20 }, () => call('add', { name: 'b', filename })));
    expect(answers.filter(({ body: { success } }) => success === 1)).toHaveLength(1);
  });

  test('an uploaded file stays available if the group that uses it is rejected', async () => {
    const { body } = await upload('1\n');
    const { filename } = body.data;
    expect((await call('add', { name: '', filename })).body.success).toBe(0);
    expect((await call('update', { _id: '0'.repeat(24), filename })).body.success).toBe(0);
    expect(await numbersOf(await addGroup({ numbers: undefined, filename }))).toStrictEqual(['1']);
  });

  test('the content of a file decides its type; its name is not stored', async () => {
    const shared = process.env['TMPDIR'];
    process.env['TMPDIR'] = temporaryFolder;
    for (const name of ['../../etc/passwd', 'a\0b.csv', 'con.exe', `${'n'.repeat(5000)}.csv`, 'سلام.vcf']) {
      const { body } = await upload('1\n', name);
      expect(body.data.filename).toMatch(/^[0-9a-f]{24}\.csv$/);
    }
    expect((await upload('BEGIN:VCARD\nTEL:1\nEND:VCARD\n', 'a.csv')).body.data.filename).toMatch(/\.vcf$/);
    process.env['TMPDIR'] = shared;
    expect(readdirSync(temporaryFolder)).toStrictEqual([]);
  });

  test('an upload has an audit event, rejected or not', async () => {
    const ids = [nextRequestId(), nextRequestId()];
    const { body } = await upload('1\n2\n', 'a.csv', { 'X-Request-Id': ids[0]! });
    const { filename } = body.data;
    await upload('1\nx', 'a.csv', { 'X-Request-Id': ids[1]! });
    const operation = 'autodialer/groups/upload';
    expect(await auditOf(ids[0]!)).toMatchObject([
      { operation, outcome: 'done', target_ids: [filename], after: { filename, count: 2 } },
    ]);
    expect(await auditOf(ids[1]!)).toMatchObject([
      { operation, outcome: 'refused', error_code: 'BAD_USER_INPUT', target_ids: [], after: null },
    ]);
  });

  test.each([
    ['in another field', { other: '1' }, "Field 'file':value is missing"],
    ['as text', {}, "Field 'file':value is missing"],
  ])('%s is rejected as not a file', async (_, files, message) => {
    const form = new FormData();
    form.append('text', '1');
    for (const [name, content] of Object.entries(files)) form.append(name, new Blob([content]), 'a.csv');
    const { status, body } = await app.send(`${groupsPath}/upload`, { method: 'POST', body: form });
    expect([status, body]).toStrictEqual([200, failure(message)]);
  });

  test('a file is accepted with other fields before or after it', async () => {
    const form = new FormData();
    form.append('note', 'a');
    form.append('file', new Blob(['1\n2']), 'a.csv');
    form.append('note', 'b');
    const { body } = await app.send(`${groupsPath}/upload`, { method: 'POST', body: form });
    expect(body.success).toBe(1);
  });

  test('a second file in the same upload is rejected', async () => {
    const before = await readNumbers();
    const form = new FormData();
    for (const content of ['1', '2']) form.append('file', new Blob([content]), 'a.csv');
    const { body } = await app.send(`${groupsPath}/upload`, { method: 'POST', body: form });
    expect(body).toStrictEqual(failure("Field 'file':value must not be repeated"));
    expect(await readNumbers()).toStrictEqual(before);
  });

  test('an upload that is cut off stores nothing', async () => {
    const before = await readNumbers();
    const { port, hostname } = new URL(app.httpUrl);
    const socket = connect(Number(port), hostname);
    const part = '--b\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\n';
    socket.write(
      `POST ${groupsPath}/upload HTTP/1.1\r\nHost: x\r\nX-APIKEY: ${testKey}\r\nContent-Length: 10000000\r\n` +
        `Content-Type: multipart/form-data; boundary=b\r\n\r\n${part}`,
    );
    socket.write(Array.from({ length: 20_000 }, (_, index) => `${index}\n`).join(''));
    await waitUntil(async () => (await readNumbers()).length > before.length);
    socket.destroy();
    await waitUntil(async () => (await readNumbers()).length === before.length);
    expect(await readNumbers()).toStrictEqual(before);
  });

  test.each([
    ['https://evil.example', 403, 'https://evil.example;Access denied'],
    ['null', 403, 'null;Access denied'],
    ['https://pbx.example', 200, ''],
    // Similar origins: each differs from the server's own in one part.
    ['https://pbx.example.evil.example', 403, 'https://pbx.example.evil.example;Access denied'],
    ['https://pbx.example:8443', 403, 'https://pbx.example:8443;Access denied'],
    ['https://pbx.example:443', 403, 'https://pbx.example:443;Access denied'],
    ['http://pbx.example', 403, 'http://pbx.example;Access denied'],
    ['https://evil-pbx.example', 403, 'https://evil-pbx.example;Access denied'],
    ['https://www.pbx.example', 403, 'https://www.pbx.example;Access denied'],
    ['https://pbx.exampl', 403, 'https://pbx.exampl;Access denied'],
    ['https://pbx.example/', 403, 'https://pbx.example/;Access denied'],
    [
      'https://pbx.example, https://evil.example',
      403,
      'https://pbx.example, https://evil.example;Access denied',
    ],
    ['itself, and more', 403, expect.stringMatching(/^http:.*0;Access denied$/)],
    ['itself', 200, ''],
  ])('an upload from a page of %s gets %d', async (page, status, message) => {
    const own: Record<string, string> = { itself: app.httpUrl, 'itself, and more': `${app.httpUrl}0` };
    const origin = own[page] ?? page;
    const before = await readNumbers();
    const answer = await upload('1\n', 'a.csv', { Origin: origin });
    expect([answer.status, answer.body.message]).toStrictEqual([status, message]);
    if (status === 403) expect(await readNumbers()).toStrictEqual(before);
  });
});
