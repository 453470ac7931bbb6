import { describe, expect, test } from '@jest/globals';
import {
  badLine,
  createAutodialerClient,
  failure,
  notANumber,
  notUtf8Problem,
} from '../support/autodialer.ts';
import { encodeUtf16, phoneExports } from '../support/phone-exports.ts';
import { startServer } from '../support/server-process.ts';
import { testKey, useTestApp } from '../support/test-app.ts';

const app = useTestApp();
const { addGroup, call, numbersIn, numbersOf, readNumbers } = createAutodialerClient(() => app);

describe('a contacts export yields the callable numbers, and no others:', () => {
  test.each(phoneExports)('%s', async (_, content, numbers) => {
    expect(await numbersIn(content)).toStrictEqual(numbers);
  });
});

/** The written text, and its number. */
const written: readonly (readonly [string, string])[] = [
  ['1111', '1111'],
  ['+98*#', '+98*#'],
  [' 0912 111 1111 ', '09121111111'],
  ['0912\u00a0111\u20091111', '09121111111'],
  ['(0912) 111-1111', '09121111111'],
  ['[0912] {111} <1111>', '09121111111'],
  ['0912.111.1111', '09121111111'],
  ['0912–111—1111‐2', '091211111112'],
  ['0711/12345-67', '07111234567'],
  ['\u202a+98\u200e912\u202c\ufeff', '+98912'],
  ['0912\u200b111\u2060222\u00ad', '0912111222'],
  ['۰۹۱۲۳۴۵۶۷۸', '0912345678'],
  ['٠٩١٢٣٤٥٦٧٨', '0912345678'],
  ['+۹۸ (۹۱۲) ۱۱۱', '+98912111'],
  ['02188001122,,12#', '02188001122'],
  ['02188001122;12', '02188001122'],
  ['02188001122;ext=12', '02188001122'],
  ['02188001122 x12', '02188001122'],
  ['02188001122X12', '02188001122'],
  ['02188001122 ext 12', '02188001122'],
  ['02188001122 Ext. 12', '02188001122'],
  ['02188001122 extension 12', '02188001122'],
  ['02188001122 داخلی ۱۲', '02188001122'],
  ['02188001122، ۱۲', '02188001122'],
  ['02188001122p12', '02188001122'],
  ['tel:+1-201-555-0123;phone-context=example.com', '+12015550123'],
  ['="09121111111"', '09121111111'],
  ["'09121111111", '09121111111'],
  ['+49 (0)711 1234', '+497111234'],
  ['0049 (0) 711 1234', '00497111234'],
  ['9121111111.0', '9121111111'],
  ['1'.repeat(32), '1'.repeat(32)],
  [`${'1 '.repeat(16)}1`, '1'.repeat(17)],
  [`(${'1'.repeat(20)})`, '1'.repeat(20)],
  ['0912345-123', '0912345123'],
  ['12345678+9', '12345678+9'],
];

describe('characters around a number are removed alike in JSON, CSV and vCards:', () => {
  const quoted = (text: string) => `"${text.replaceAll('"', '""')}"`;
  test.each(written)('%j is %s', async (text, number) => {
    expect(await numbersOf(await addGroup({ numbers: [text] }))).toStrictEqual([number]);
    const id = await addGroup();
    const { body } = await call('update', { _id: id, numbers: [text] });
    expect(body.data.numbers).toStrictEqual([number]);
    expect(await numbersIn(`name,phone\nA,${quoted(text)}`)).toStrictEqual([number]);
    expect(await numbersIn(`${quoted(text)}\n`)).toStrictEqual([number]);
    const card = `BEGIN:VCARD\nVERSION:3.0\nTEL;TYPE=CELL:${text}\nEND:VCARD\n`;
    expect(await numbersIn(card)).toStrictEqual([number]);
  });

  test.each([
    ['a letter', '0912a'],
    ['a word', 'call me'],
    ['letters after an x', '0912xyz'],
    ['an x alone', '0912x'],
    ['33 digits', '1'.repeat(33)],
    ['an extension alone', 'x12'],
    ['a pause alone', ',12'],
    ['an e-mail address', '0912@example.com'],
    ['an error of a spreadsheet', '#N/A'],
    ['an invalid part of several numbers', '09121111111 ::: nothing'],
    ['more than a number is long', `${'1'.repeat(20)}${' '.repeat(300)}1`],
  ])('%s is rejected with its position, and nothing is stored', async (_, text) => {
    const before = await readNumbers();
    const shown = Array.from(text).slice(0, 40).join('');
    const piece = shown.includes(':::') ? ' nothing' : shown;
    expect((await call('add', { name: 'a', numbers: ['1', text] })).body).toStrictEqual(
      failure("Field 'numbers':value 2 must be a string of 1 to 32 of the characters + 0-9 * #"),
    );
    expect(await numbersIn(`name;Mobile Phone;note\nA;1;\nB;${text};`)).toBe(
      notANumber(3, 2, piece, 'Mobile Phone'),
    );
    expect(await numbersIn(`1;A\n${text};B`)).toBe(notANumber(2, 1, piece));
    expect(await numbersIn(`BEGIN:VCARD\nTEL:1\nTEL:${text}\nEND:VCARD`)).toBe(
      notANumber(3, undefined, piece),
    );
    expect(await readNumbers()).toStrictEqual(before);
  });

  test.each(['', ' ', '-', '\u200b'])(
    'nothing, as %j, is skipped in files and rejected in JSON',
    async (text) => {
      expect((await call('add', { name: 'a', numbers: ['1', text] })).body).toStrictEqual(
        failure("Field 'numbers':value 2 must be a string of 1 to 32 of the characters + 0-9 * #"),
      );
      expect(await numbersIn(`phone,name\n1,A\n${text},B\n2,C`)).toStrictEqual(['1', '2']);
      expect(await numbersIn(`BEGIN:VCARD\nTEL:1\nTEL:${text}\nTEL:2\nEND:VCARD`)).toStrictEqual(['1', '2']);
    },
  );

  test.each(['9.1E+09', '9,12345E+10', '9E9', '۹.۱E+۰۹'])(
    '%s, a number that a spreadsheet has shortened, is rejected with advice',
    async (text) => {
      const problem =
        `${JSON.stringify(text)} is not a phone number: a spreadsheet, such as Excel, has shortened it, and its last digits are ` +
        'lost. Format the column of the numbers as text there, enter the numbers again, and save the file anew';
      const before = await readNumbers();
      expect(await numbersIn(`name;phone\nA;1\nB;${text}`)).toBe(badLine(3, problem, ', column 2 (phone)'));
      expect(await numbersIn(`A;1\nB;${text}`)).toBe(badLine(2, problem, ', column 2'));
      expect(await numbersIn(`BEGIN:VCARD\nTEL:${text}\nEND:VCARD`)).toBe(badLine(2, problem));
      expect((await call('add', { name: 'a', numbers: [text] })).body).toStrictEqual(
        failure(`Field 'numbers':value 1: ${problem}`),
      );
      expect(await readNumbers()).toStrictEqual(before);
    },
  );

  test.each([
    ['9,121,111,111', 'has written it as an amount'],
    ['9121111111.5', 'has written it with decimals'],
    ['########', 'has written it for a column that is too narrow'],
  ])('the value %s of a spreadsheet is rejected with advice', async (text, problem) => {
    const rejection = `"${text}" is not a phone number: a spreadsheet, such as Excel, ${problem}`;
    expect(await numbersIn(`phone;name\n"${text}";A`)).toContain(`line 2, column 1 (phone): ${rejection}`);
    expect(await numbersIn(`02188001122\n"${text}"`)).toContain(`line 2, column 1: ${rejection}`);
  });

  test.each([
    '0912 111 1111 0935222',
    '0912-111-1111-0935-222-2222',
    '1 '.repeat(33).trim(),
    '۱۲۳۴ ۵۶۷۸ ۹۰۱۲ ۳۴۵۶ ۷۸',
  ])(
    '%s, with the digits of more than one number, is rejected with advice, and nothing is stored',
    async (text) => {
      const problem =
        `${JSON.stringify(Array.from(text).slice(0, 40).join(''))} has too many digits for a formatted phone number. ` +
        'Separate several numbers by line breaks, or write each in its own cell';
      const before = await readNumbers();
      expect(await numbersIn(`name;phone\nA;1\nB;${text}`)).toBe(badLine(3, problem, ', column 2 (phone)'));
      expect(await numbersIn(`A;1\nB;${text}`)).toBe(badLine(2, problem, ', column 2'));
      expect(await numbersIn(`BEGIN:VCARD\nTEL:${text}\nEND:VCARD`)).toBe(badLine(2, problem));
      expect((await call('add', { name: 'a', numbers: [text] })).body).toStrictEqual(
        failure(`Field 'numbers':value 1: ${problem}`),
      );
      expect(await readNumbers()).toStrictEqual(before);
    },
  );

  test('decimals of zeros are removed', async () => {
    expect(await numbersIn('phone\n9121111111.00\n02188001122.0')).toStrictEqual([
      '9121111111',
      '02188001122',
    ]);
  });
});

const several = ['09121111111', '09352222222'];

describe('each of several complete numbers in one text is read, in JSON, CSV and vCards:', () => {
  test.each([
    ['09121111111-09352222222', several],
    ['09121111111 -09352222222', several],
    ['09121111111–09352222222', several],
    ['0912-111-1111 - 0935-222-2222', several],
    ['09121111111_09352222222', several],
    ['09121111111\\09352222222', several],
    ['09121111111\\+989352222222', ['09121111111', '+989352222222']],
    ['+989121111111-+989352222222', ['+989121111111', '+989352222222']],
    ['+989121111111+989352222222', ['+989121111111', '+989352222222']],
    ['+98 912 111 1111+98 935 222 2222', ['+989121111111', '+989352222222']],
    ['۰۹۱۲۱۱۱۱۱۱۱+۹۸۹۳۵۲۲۲۲۲۲۲', ['09121111111', '+989352222222']],
    ['9121111111,9352222222', ['9121111111', '9352222222']],
    ['9121111111;9352222222;9363333333', ['9121111111', '9352222222', '9363333333']],
    ['۹۱۲۱۱۱۱۱۱۱، ۹۳۵۲۲۲۲۲۲۲', ['9121111111', '9352222222']],
    ['88001122,88001133', ['88001122', '88001133']],
    // The parts differ in length, or are short: what is dialled after a pause.
    ['9121111111,12345678', ['9121111111']],
    ['8800112,8800113', ['8800112']],
    // Not the start of a number: the dash belongs to the format.
    ['12345678-12345678', ['1234567812345678']],
  ])('%s', async (text, numbers) => {
    expect(await numbersOf(await addGroup({ numbers: [text] }))).toStrictEqual(numbers);
    expect(await numbersIn(`name,phone\nA,"${text}"`)).toStrictEqual(numbers);
    expect(await numbersIn(`"${text}"\n`)).toStrictEqual(numbers);
    const card = `BEGIN:VCARD\nVERSION:3.0\nTEL;TYPE=CELL:${text.replaceAll('\\', '\\\\')}\nEND:VCARD\n`;
    expect(await numbersIn(card)).toStrictEqual(numbers);
  });
});

test('escaped characters in a vCard separate numbers', async () => {
  const card = (text: string) => `BEGIN:VCARD\nVERSION:3.0\nTEL:${text}\nEND:VCARD\n`;
  expect(await numbersIn(card('09121111111\\n09352222222'))).toStrictEqual(several);
  expect(await numbersIn(card('9121111111\\,9352222222'))).toStrictEqual(['9121111111', '9352222222']);
  expect(await numbersIn(card('09121111111\\09352222222'))).toStrictEqual(several);
});

describe('a column named just "number"', () => {
  const rows = (count: number) => Array.from({ length: count }, (_, index) => `${index + 1},A`).join('\n');

  test.each([
    ['Number,Name', 3, 4],
    ['شماره,نام', 9, 10],
    ['number,name', 5000, 11],
  ])('%s with the row numbers 1 to %i is rejected, and nothing is stored', async (header, count, line) => {
    const before = await readNumbers();
    expect(await numbersIn(`${header}\n${rows(count)}`)).toBe(
      badLine(
        line,
        'the values 1, 2, 3 … appear to be row numbers, not phone numbers. If they are phone numbers, name the column ' +
          '"phone"; otherwise name the column with the phone numbers so',
        `, column 1 (${header.split(',')[0]})`,
      ),
    );
    expect(await readNumbers()).toStrictEqual(before);
  });

  test.each([
    ['Number,Name', '1001, 1002, 1003', 4],
    ['شماره,نام', '998, 999, 1000, 1001', 5],
    ['Nummer,Name', Array.from({ length: 3000 }, (_, index) => 100_000 + index).join(', '), 11],
  ])('%s with consecutive numbers is rejected, and nothing is stored', async (header, numbers, line) => {
    const before = await readNumbers();
    const values = numbers.split(', ');
    expect(await numbersIn(`${header}\n${values.map((value) => `${value},A`).join('\n')}`)).toBe(
      badLine(
        line,
        `the values ${values.slice(0, 3).join(', ')} … are consecutive, and appear to be row numbers, not phone numbers. If ` +
          'they are phone numbers, name the column "phone"; otherwise name the column with the phone numbers so',
        `, column 1 (${header.split(',')[0]})`,
      ),
    );
    expect(await readNumbers()).toStrictEqual(before);
  });

  test.each([
    ['two consecutive numbers', ['1001', '1002']],
    ['numbers with a gap', ['1001', '1002', '1004']],
    ['consecutive numbers, and another one among the first ten', ['1001', '1002', '1003', '1004', '2188']],
    ['consecutive numbers of seven digits', ['8800112', '8800113', '8800114']],
  ])('with %s is read', async (_, values) => {
    expect(await numbersIn(`number\n${values.join('\n')}`)).toStrictEqual(values);
  });

  test('with short and long numbers is read, and so is a column named "phone" with short ones', async () => {
    expect(await numbersIn(`number,name\n${rows(9)}\n100,B`)).toHaveLength(10);
    expect(await numbersIn(`phone,name\n${rows(12)}`)).toHaveLength(12);
  });
});

describe('a file is rejected with advice, and nothing is stored:', () => {
  const unknown = (names: string) =>
    badLine(
      1,
      `none of the columns ${names} is known to contain phone numbers. Name that column "phone" or "mobile", or remove the first line`,
    );
  const unnamed = (columns: string) =>
    `there is a number, but the header has ${columns}. Add its name to the header, or put quotes around cells with several numbers`;
  const tooManyColumns = (line: number, count: number) =>
    badLine(line, `it has ${count} columns; 1000 are allowed`);
  const noNumbers = "Field 'file':value must contain phone numbers";
  const longPart = ':::'.repeat(14).slice(0, 40);
  const latin1 = (text: string) => new Uint8Array(Buffer.from(text, 'latin1'));
  const notText = (name: string) =>
    `Field 'file':value is ${name}, not a CSV file or vCards. Save it as CSV in UTF-8`;
  test.each<[string, string | Uint8Array<ArrayBuffer>, string]>([
    ['columns without a phone', 'Row Number,Name\n1,A', unknown('"Row Number", "Name"')],
    ['columns without a phone, in Persian', 'ردیف;نام\n1;علی', unknown('"ردیف", "نام"')],
    ['row numbers alone', 'No\n1\n2', unknown('"No"')],
    ['ids alone', 'Kundennummer\n1', unknown('"Kundennummer"')],
    [
      'what is known about phones',
      'Phone type,Mobile operator\n1,2',
      unknown('"Phone type", "Mobile operator"'),
    ],
    ['postal codes in Portuguese', 'Nome,CEP\nA,01310100', unknown('"Nome", "CEP"')],
    ['area codes in Persian', 'نام,پیش شماره\nعلی,021', unknown('"نام", "پیش شماره"')],
    [
      'a number to the right of a header with one column',
      'phone\n1\n09121111111,09352222222',
      badLine(3, unnamed('1 column'), ', column 2'),
    ],
    [
      'a short number to the right of the header',
      'name;phone\nA;1;2',
      badLine(2, unnamed('2 columns'), ', column 3'),
    ],
    [
      'a number to the right of the header, after text',
      'phone,name\n1,A,note,,09352222222',
      badLine(2, unnamed('2 columns'), ', column 5'),
    ],
    ['pagers', 'Name,Pager\nA,1', unknown('"Name", "Pager"')],
    [
      'very many columns without a phone',
      Array.from({ length: 40 }, (_, index) => `c${'x'.repeat(50)}${index}`).join(','),
      unknown(`${Array.from({ length: 30 }, () => `"c${'x'.repeat(39)}…"`).join(', ')}, …`),
    ],
    [
      'more columns than are allowed, all of them phones with a label',
      'phone 1 - value,'.repeat(65_000),
      tooManyColumns(1, 65_001),
    ],
    ['phones in too many columns', 'phone,'.repeat(170_000), tooManyColumns(1, 170_001)],
    ['texts in too many columns', `1\n${'a1,'.repeat(340_000)}`, tooManyColumns(2, 340_001)],
    [
      'too many columns over several lines',
      `name\tphone\n\nA\t1\n"B\nb"\t2${'\t"c\nc"'.repeat(999)}`,
      tooManyColumns(4, 1001),
    ],
    [
      'too many columns in a record whose quote is not closed',
      `phone\n${'1,'.repeat(1000)}"2`,
      tooManyColumns(2, 1001),
    ],
    ['a header of a megabyte of brackets', '(phone'.repeat(170_000), noNumbers],
    ['a header of a megabyte of faxes', `${'fax'.repeat(340_000)}\u0431`, noNumbers],
    ['a text of a megabyte in parts', `phone\n${':::'.repeat(340_000)}`, notANumber(2, 1, longPart, 'phone')],
    ['Windows-1252', latin1('Name;Telefon\nM\xfcller;1'), badLine(2, notUtf8Problem)],
    ['Windows-1256', latin1('\xe4\xc7\xe3,\xe3\xe6\xc8\xc7\xed\xe1\n1,2'), badLine(1, notUtf8Problem)],
    [
      'UTF-16 without a byte order mark',
      new Uint8Array(Buffer.from('phone\n1', 'utf16le')),
      "Field 'file':value is not text in UTF-8, or in UTF-16 with a byte order mark. Save it as UTF-8: in Excel by " +
        '"Save As" and the file type "CSV UTF-8", in other programs by the character set of the export',
    ],
    [
      'truncated UTF-16',
      encodeUtf16('phone\n1').slice(0, -1),
      badLine(2, 'it is not valid UTF-16, or contains U+FFFD. Save the file as UTF-8'),
    ],
    [
      'an Excel workbook',
      new Uint8Array(Buffer.from('504b030414000600080000002100', 'hex')),
      notText('an Excel workbook (.xlsx) or another ZIP archive'),
    ],
    [
      'an older Excel workbook',
      new Uint8Array(Buffer.from('d0cf11e0a1b11ae1000000', 'hex')),
      notText('an Excel workbook (.xls)'),
    ],
    ['a phone that is missing in every row', 'name,phone\nA,\nB,', noNumbers],
  ])('%s', async (_, content, message) => {
    const before = await readNumbers();
    expect(await numbersIn(content)).toBe(message);
    expect(await readNumbers()).toStrictEqual(before);
  });
});

test('a file of as many columns as are allowed is read, with the labels of all of them', async () => {
  const headers = Array.from({ length: 500 }, (_, index) => `Phone ${index} - Value,Phone ${index} - Label`);
  const cells = Array.from({ length: 500 }, (_, index) => `${1000 + index},${index % 2 ? 'Mobile' : 'Fax'}`);
  expect(await numbersIn(`${headers.join(',')}\n${cells.join(',')}`)).toStrictEqual(
    Array.from({ length: 250 }, (_, index) => String(1001 + 2 * index)),
  );
  const notes = `1,"${','.repeat(5000)}"`;
  expect(await numbersIn(`phone,note\n${notes}`)).toStrictEqual(['1']);
});

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
