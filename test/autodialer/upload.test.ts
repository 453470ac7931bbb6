import { readdirSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { describe, expect, test } from '@jest/globals';
import {
  badLine,
  createAutodialerClient,
  failure,
  groupsPath,
  notANumber,
  notUtf8Problem,
} from '../support/autodialer.ts';
import { createProbes } from '../support/probes.ts';
import { startServer } from '../support/server-process.ts';
import { testKey, useTestApp } from '../support/test-app.ts';

const app = useTestApp({ CORS_ORIGINS: ['https://pbx.example'] });
const { call, addGroup, upload, numbersIn, numbersOf, readNumbers } = createAutodialerClient(() => app);
const { auditOf, nextRequestId } = createProbes(() => app);

const notUtf8 = new Uint8Array([0x31, 0x0a, 0x32, 0xff, 0x0a]);

describe('csv', () => {
  test.each([
    ['numbers alone', '1111\n2222\n', ['1111', '2222']],
    ['no line end at the end', '1111\n2222', ['1111', '2222']],
    ['line ends of Windows', '1111\r\n2222\r\n', ['1111', '2222']],
    ['line ends of all systems', '1\r\n2\n3\r4', ['1', '2', '3', '4']],
    ['a byte order mark', '\ufeff1111\n2222', ['1111', '2222']],
    ['a byte order mark and a header', '\ufeffnumber\n1111', ['1111']],
    ['a header', 'number\n1111\n2222', ['1111', '2222']],
    ['a header in another language', 'شماره\n1111', ['1111']],
    ['a header that names the column', 'name,Phone\nAli,1111\n"Reza, B.",2222', ['1111', '2222']],
    ['semicolons', 'name;number;note\nAli;1111;a,b,c\nB;2222;', ['1111', '2222']],
    ['several columns without a header', '1111,Ali\n2222,Reza', ['1111', '2222']],
    ['quotes', '"1111"\n"2222","A ""x"""', ['1111', '2222']],
    ['line ends within quotes', '1,"a\nb\r\nc"\n2,x', ['1', '2']],
    ['blank lines', '\n\n1111\n\n  \n2222\n\n', ['1111', '2222']],
    ['spaces around', ' 1111 \n\t2222\t,x', ['1111', '2222']],
    ['rows of nothing but separators, as Excel leaves them', 'phone,name\n1,a\n,,\n2,b\n', ['1', '2']],
    ['a header of several words', 'Name,Mobile Phone\nAli,1111', ['1111']],
    ['the headers of Google', 'Name,Phone 1 - Label,Phone 1 - Value\nAli,Mobile,1111', ['1111']],
    ['commas in a quoted header', '"number";"a,b,c"\n1111;x', ['1111']],
    ["Excel's own first line", 'sep=;\nname;number\na,b,c;1111', ['1111']],
    ['rows of different lengths', '1,a,b\n2\n3,', ['1', '2', '3']],
    ['repetitions', '1\n2\n1\n3\n2', ['1', '2', '3']],
    ['all characters', '+989120000000\n*100#\n0', ['+989120000000', '*100#', '0']],
    ['the longest number', '1'.repeat(32), ['1'.repeat(32)]],
  ])('upload of a CSV file with %s', async (_, content, numbers) => {
    expect(await numbersIn(content)).toStrictEqual(numbers);
  });

  test.each([
    ['a letter', '1111\n22a2\n', notANumber(2, 1, '22a2')],
    ['a letter in the first line', '11a1\n2222', notANumber(1, 1, '11a1')],
    ['a number too long', `1\n${'1'.repeat(33)}`, notANumber(2, 1, '1'.repeat(33))],
    ['a bad line after line ends in quotes', '1,"a\nb"\n2\n\nx', notANumber(5, 1, 'x')],
    ['another encoding', notUtf8, badLine(2, notUtf8Problem)],
    ['an unclosed quote', '1\n"2\n3\n', badLine(2, 'a quote that is opened is not closed')],
    [
      'a long unclosed quote',
      `1\n"2\n${'3\n'.repeat(50_000)}`,
      badLine(2, 'a quote that is opened is not closed'),
    ],
    ['text after a quote', '1\n"2"x\n', badLine(2, 'there is text after a closing quote')],
    [
      'a line too long in front of another encoding',
      Buffer.concat([Buffer.from(`1\n${'2'.repeat(1_100_000)}\n`), Buffer.from([0xff])]),
      badLine(2, 'it has more than 1048576 characters'),
    ],
    ['a line too long', `1\n${'2'.repeat(1_100_000)}\n`, badLine(2, 'it has more than 1048576 characters')],
    ['nothing', '', "Field 'file':value must contain phone numbers"],
    ['a header only', 'number\n', "Field 'file':value must contain phone numbers"],
  ])(
    'upload of a file with %s is rejected with its line, and stores nothing',
    async (_, content, message) => {
      const before = await readNumbers();
      expect(await numbersIn(content)).toBe(message);
      expect(await readNumbers()).toStrictEqual(before);
    },
  );

  test('an error names line 17, however the file is split into chunks', async () => {
    const lines = Array.from({ length: 30_000 }, (_, index) => String(index));
    for (const bad of [17, 4999, 5001, 29_999]) {
      const before = await readNumbers();
      expect(await numbersIn(lines.with(bad - 1, 'bad').join('\r\n'))).toBe(notANumber(bad, 1, 'bad'));
      expect(await readNumbers()).toStrictEqual(before);
    }
    expect(await numbersIn(lines.join('\r\n'))).toStrictEqual(lines);
  });
});

describe('vcf', () => {
  const card = (...lines: string[]) => ['BEGIN:VCARD', ...lines, 'END:VCARD', ''].join('\r\n');
  test.each([
    ['2.1', card('VERSION:2.1', 'N:A;B', 'TEL;CELL:09121111111'), ['09121111111']],
    [
      '2.1 with several types',
      card('VERSION:2.1', 'TEL;WORK;VOICE;PREF:1111', 'TEL;TYPE=HOME:2222'),
      ['1111', '2222'],
    ],
    [
      '2.1 in quoted-printable, whose broken lines look like a number',
      card(
        'VERSION:2.1',
        'NOTE;ENCODING=QUOTED-PRINTABLE:a=',
        'TEL:bad',
        'TEL;CELL;ENCODING=QUOTED-PRINTABLE:=30=39=',
        '=31=32',
      ),
      ['0912'],
    ],
    [
      '2.1 with a card within',
      card('VERSION:2.1', 'TEL:1', 'AGENT:', 'BEGIN:VCARD', 'TEL:2', 'END:VCARD', 'TEL:3'),
      ['1', '2', '3'],
    ],
    [
      '2.1 with a picture',
      card('VERSION:2.1', 'PHOTO;ENCODING=BASE64:AAAA', ' TEL:bad', ' BBBB==', '', 'TEL:1'),
      ['1'],
    ],
    ['3.0', card('VERSION:3.0', 'FN:Ali', 'TEL;TYPE=CELL,VOICE:+98 912 111 1111'), ['+989121111111']],
    [
      '3.0 with groups',
      card('VERSION:3.0', 'item1.TEL;type=pref:(0912) 111-1111', 'item1.X-ABLabel:x'),
      ['09121111111'],
    ],
    ['3.0 over two lines', card('VERSION:3.0', 'TEL;TYPE=CELL:0912', ' 1111', '\t111'), ['09121111111']],
    [
      '4.0',
      card('VERSION:4.0', 'TEL;VALUE=uri;TYPE="voice,home":tel:+1-201-555-0123;ext=5'),
      ['+12015550123'],
    ],
    ['4.0 as text', card('VERSION:4.0', 'TEL;VALUE=text:1.2.3'), ['123']],
    [
      '3.0 with a picture in one line',
      card('VERSION:3.0', `PHOTO;ENCODING=b:${'A'.repeat(500_000)}`, 'TEL:1'),
      ['1'],
    ],
    ['any case', 'begin:vcard\nversion:3.0\ntel;type=cell:1\nend:vcard', ['1']],
    ['several lines TEL', card('VERSION:3.0', 'TEL:1', 'TEL:2', 'TEL:1'), ['1', '2']],
    [
      'several cards of all versions',
      card('VERSION:2.1', 'TEL;CELL:1') +
        '\r\n' +
        card('VERSION:3.0', 'TEL:2') +
        card('VERSION:4.0', 'TEL;VALUE=uri:tel:3'),
      ['1', '2', '3'],
    ],
    ['a card without a number', card('VERSION:3.0', 'FN:Ali') + card('VERSION:3.0', 'TEL:1'), ['1']],
    [
      'a name in Persian, of an iPhone',
      card('VERSION:3.0', 'FN:علی', 'TEL:\u202a+98\u00a0912\u202c'),
      ['+98912'],
    ],
  ])('%s', async (_, content, numbers) => {
    expect(await numbersIn(content)).toStrictEqual(numbers);
  });

  test.each([
    [
      'a bad number',
      card('VERSION:3.0', 'TEL:1') + card('VERSION:3.0', 'FN:B', 'TEL:call me'),
      notANumber(8, undefined, 'call me'),
    ],
    [
      'nothing but an empty number',
      card('VERSION:3.0', 'TEL:'),
      "Field 'file':value must contain phone numbers",
    ],
    [
      'no end',
      card('VERSION:3.0', 'TEL:1') + 'BEGIN:VCARD\r\nTEL:2',
      badLine(5, 'the card that begins here does not end'),
    ],
    ['text outside', card('VERSION:3.0', 'TEL:1') + 'TEL:2', badLine(5, 'it is outside of a vCard')],
    ['a broken property', card('VERSION:3.0', 'TEL;X="a:1'), badLine(3, 'it is not a property of a vCard')],
    [
      'too many cards within each other',
      'BEGIN:VCARD\n'.repeat(12),
      badLine(11, 'it is a card within too many others'),
    ],
    [
      'a number without an end',
      card('VERSION:3.0', 'TEL:1', ...Array.from({ length: 200 }, () => ` ${'1'.repeat(100)}`)),
      badLine(3, 'it has more than 10000 characters'),
    ],
    ['no numbers at all', card('VERSION:3.0', 'FN:Ali'), "Field 'file':value must contain phone numbers"],
  ])(
    'upload of a file with %s is rejected with its line, and stores nothing',
    async (_, content, message) => {
      const before = await readNumbers();
      expect(await numbersIn(content)).toBe(message);
      expect(await readNumbers()).toStrictEqual(before);
    },
  );
});

describe('a file', () => {
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
    const files = readdirSync(tmpdir());
    for (const name of ['../../etc/passwd', 'a\0b.csv', 'con.exe', `${'n'.repeat(5000)}.csv`, 'سلام.vcf']) {
      const { body } = await upload('1\n', name);
      expect(body.data.filename).toMatch(/^[0-9a-f]{24}\.csv$/);
    }
    expect((await upload('BEGIN:VCARD\nTEL:1\nEND:VCARD\n', 'a.csv')).body.data.filename).toMatch(/\.vcf$/);
    expect(readdirSync(tmpdir())).toStrictEqual(files);
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

  test('a file over 64 MiB is rejected, and nothing is stored', async () => {
    const before = await readNumbers();
    const line = `${'1'.repeat(30)},${'x'.repeat(1000)}\n`;
    const { status, body } = await upload(line.repeat(Math.ceil((64 * 1024 * 1024) / line.length) + 1));
    expect([status, body]).toStrictEqual([413, failure('The body is larger than 64 MiB')]);
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
    for (const deadline = Date.now() + 10_000; Date.now() < deadline;)
      if ((await readNumbers()).length > before.length) break;
    expect((await readNumbers()).length).toBeGreaterThan(before.length);
    socket.destroy();
    for (const deadline = Date.now() + 10_000; Date.now() < deadline;)
      if ((await readNumbers()).length === before.length) break;
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

test('more than a million numbers are rejected with the name of their field', async () => {
  const before = await readNumbers();
  const numbers = Array.from({ length: 1_000_001 }, (_, index) => String(index));
  expect((await upload(numbers.join('\n'))).body).toStrictEqual(
    failure("Field 'file':value must have at most 1000000 numbers, or 5000000 with duplicates"),
  );
  expect(await readNumbers()).toStrictEqual(before);
});

test('a million numbers are uploaded and added with bounded memory', async () => {
  const server = startServer({ DATABASE_URL: app.url, ADMIN_API_KEY: testKey, LOG_LEVEL: 'silent' });
  const { url } = await server.ready;
  const send = async (service: string, body: string | FormData, headers: Record<string, string> = {}) => {
    const init = { method: 'POST', headers: { 'X-APIKEY': testKey, ...headers }, body };
    return (await (await fetch(`${url}${groupsPath}/${service}`, init)).json()) as {
      data: Record<string, string>;
    };
  };
  const json = { 'Content-Type': 'application/json' };
  let peakMb = 0;
  const watch = setInterval(() => (peakMb = Math.max(peakMb, server.memoryMb())), 50);

  const form = new FormData();
  const numbers = Array.from({ length: 1_000_000 }, (_, index) => `0912${String(index).padStart(7, '0')}`);
  form.append('file', new Blob([`number\n${numbers.join('\n')}\n${numbers[0]}\n`]), 'a.csv');
  const { data: uploaded } = await send('upload', form);
  const { data: added } = await send(
    'add',
    JSON.stringify({ name: 'm', filename: uploaded['filename'] }),
    json,
  );
  const { data: group } = await send('update', JSON.stringify({ _id: added['_id'], name: 'million' }), json);
  clearInterval(watch);

  expect(group).toMatchObject({ name: 'million', count: 1_000_000 });
  expect((group['numbers'] as unknown as string[]).length).toBe(1_000_000);
  expect((group['numbers'] as unknown as string[])[999_999]).toBe('09120999999');
  process.stdout.write(`upload of 1,000,000 numbers: ${Math.round(peakMb)} MB at most\n`);
  expect(peakMb).toBeLessThan(300);
  server.kill('SIGTERM');
  await server.exited;
}, 120_000);

test('add of more than a million numbers is rejected, and stores nothing', async () => {
  const before = await readNumbers();
  const numbers = Array.from({ length: 1_000_001 }, (_, index) => String(index));
  expect((await call('add', { name: 'many', numbers })).body).toStrictEqual(
    failure("Field 'numbers':value must have at most 1000000 numbers, or 5000000 with duplicates"),
  );
  expect(await readNumbers()).toStrictEqual(before);
});
