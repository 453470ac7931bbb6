import { describe, expect, test } from '@jest/globals';
import { badLine, createAutodialerClient, failure, notANumber } from '../support/autodialer.ts';
import { useTestApp } from '../support/test-app.ts';

const app = useTestApp();
const { addGroup, call, numbersIn, numbersOf, readNumbers } = createAutodialerClient(() => app);

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

  /** Expects the problem of a text in CSV with and without a header, in a vCard and in JSON, and that nothing is stored. */
  const expectRejected = async (text: string, problem: string) => {
    const before = await readNumbers();
    expect(await numbersIn(`name;phone\nA;1\nB;${text}`)).toBe(badLine(3, problem, ', column 2 (phone)'));
    expect(await numbersIn(`A;1\nB;${text}`)).toBe(badLine(2, problem, ', column 2'));
    expect(await numbersIn(`BEGIN:VCARD\nTEL:${text}\nEND:VCARD`)).toBe(badLine(2, problem));
    expect((await call('add', { name: 'a', numbers: [text] })).body).toStrictEqual(
      failure(`Field 'numbers':value 1: ${problem}`),
    );
    expect(await readNumbers()).toStrictEqual(before);
  };

  test.each(['9.1E+09', '9,12345E+10', '9E9', '۹.۱E+۰۹'])(
    '%s, a number that a spreadsheet has shortened, is rejected with advice',
    async (text) => {
      const problem =
        `${JSON.stringify(text)} is not a phone number: a spreadsheet, such as Excel, has shortened it, and its last digits are ` +
        'lost. Format the column of the numbers as text there, enter the numbers again, and save the file anew';
      await expectRejected(text, problem);
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
      await expectRejected(text, problem);
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
