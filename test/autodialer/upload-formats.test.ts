import { describe, expect, test } from '@jest/globals';
import { badLine, createAutodialerClient, notANumber, notUtf8Problem } from '../support/autodialer.ts';
import { useTestApp } from '../support/test-app.ts';

const app = useTestApp();
const { numbersIn, readNumbers } = createAutodialerClient(() => app);

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
