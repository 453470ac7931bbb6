import { describe, expect, test } from '@jest/globals';
import { badLine, createAutodialerClient, notANumber, notUtf8Problem } from '../support/autodialer.ts';
import { encodeUtf16, phoneExports } from '../support/phone-exports.ts';
import { useTestApp } from '../support/test-app.ts';

const app = useTestApp();
const { numbersIn, readNumbers } = createAutodialerClient(() => app);

describe('a contacts export yields the callable numbers, and no others:', () => {
  test.each(phoneExports)('%s', async (_, content, numbers) => {
    expect(await numbersIn(content)).toStrictEqual(numbers);
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
