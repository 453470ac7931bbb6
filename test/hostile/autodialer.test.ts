import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { readNumbersFile } from '../../src/autodialer/uploads/numbers-file.ts';
import { createAutodialerClient, groupsPath } from '../support/autodialer.ts';
import { chooseSeed } from '../support/random.ts';
import { testKey, useTestApp } from '../support/test-app.ts';

const seed = chooseSeed('hostile/autodialer');
const app = useTestApp();
const { addGroup, readNumbers } = createAutodialerClient(() => app);

describe("any body is rejected with the vendor's error format, and changes nothing", () => {
  const id = '0123456789abcdef01234567';
  const names = [
    '_id',
    'id_',
    'name',
    'numbers',
    'filename',
    'description',
    'alike',
    'conditions',
    'pagination',
    '__proto__',
    '',
  ];
  const hostile = fc.oneof(
    fc.jsonValue(),
    fc.string({ unit: 'binary' }),
    fc.constantFrom('\0', '\ud800', '%', '\\', '9'.repeat(1000), id, -1, 1e308, [[]], {}, { name: 'x\0' }, [
      '1',
      '\0',
    ]),
  );
  // `add` requires a name, which is never valid here, and there is no group to update or remove.
  const bodies = fc
    .dictionary(fc.constantFrom(...names), hostile)
    .map((body) => ({ ...body, ...('name' in body && { name: '' }) }));

  test.each(['add', 'update', 'remove', 'search'])(
    '%s',
    async (service) => {
      await addGroup();
      const before = await readNumbers();
      const property = fc.asyncProperty(fc.oneof(bodies, hostile), async (body) => {
        const answer = await app.post(`${groupsPath}/${service}`, body);
        expect([200, 400]).toContain(answer.status);
        expect(Object.keys(answer.body)).toStrictEqual(['success', 'message', 'data']);
        if (service !== 'search') expect(answer.body).toMatchObject({ success: 0, data: '' });
        expect(answer.body.message).not.toMatch(/prisma|postgres|sql|\bat \S+:\d|node_modules/i);
      });
      await fc.assert(property, { seed, numRuns: 300 });
      expect(await readNumbers()).toStrictEqual(before);
    },
    60_000,
  );

  test.each(['add', 'update', 'remove', 'search', 'upload'])(
    'arbitrary bytes to %s',
    async (service) => {
      const before = await readNumbers();
      const types = ['application/json', 'multipart/form-data; boundary=b'];
      const bytes = fc.oneof(
        fc.uint8Array({ maxLength: 200 }),
        fc
          .array(fc.constantFrom('{', '}', '[', ']', '"', ':', ',', '\\', 'name', '1', '--b', '\r\n', 'x'))
          .map((parts) => Buffer.from(parts.join(''))),
      );
      const property = fc.asyncProperty(fc.constantFrom(...types), bytes, async (type, body) => {
        const response = await fetch(`${app.httpUrl}${groupsPath}/${service}`, {
          method: 'POST',
          headers: { 'X-APIKEY': testKey, 'Content-Type': type },
          body: new Uint8Array(body),
        });
        expect([200, 400, 415]).toContain(response.status);
        expect(await response.json()).toMatchObject({
          success: service === 'search' ? expect.any(Number) : 0,
        });
      });
      await fc.assert(property, { seed, numRuns: 200 });
      expect(await readNumbers()).toStrictEqual(before);
    },
    60_000,
  );
});

/** Reads a file in chunks of these sizes. */
const readFile = async (content: string, pieces: readonly number[]) => {
  const numbers: string[] = [];
  const bytes = Buffer.from(content);
  async function* split() {
    for (let start = 0, piece = 0; start < bytes.length; piece++) {
      const end = start + pieces[piece % pieces.length]!;
      yield bytes.subarray(start, end);
      start = end;
    }
  }
  await readNumbersFile(split(), async (number) => void numbers.push(number));
  return numbers;
};
const pieceSizes = fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1, maxLength: 10 });
const phoneNumber = fc
  .string({ unit: fc.constantFrom(...'+0123456789*#'.split('')), minLength: 1, maxLength: 32 })
  // Spreadsheets print these instead of a number in a narrow column.
  .filter((text) => !/^#{3,}$/.test(text));
const lineEnd = fc.constantFrom('\n', '\r\n', '\r');

describe('the numbers of any valid file are read in order, however the file is split into chunks', () => {
  test('csv', async () => {
    // Without a header every cell that is a number counts, so that the notes have no digits.
    const cell = fc.string({ unit: fc.constantFrom(...'aبn ,;"\n\rx'.split('')), maxLength: 6 });
    const file = fc.record({
      mark: fc.constantFrom('', '\ufeff'),
      header: fc.boolean(),
      delimiter: fc.constantFrom(',', ';'),
      lineEnd,
      rows: fc.array(
        fc.record({ number: phoneNumber, note: cell, isQuoted: fc.boolean(), blanks: fc.nat(2) }),
        { minLength: 1 },
      ),
      pieces: pieceSizes,
    });
    const property = fc.asyncProperty(
      file,
      async ({ mark, header, delimiter, lineEnd: end, rows, pieces }) => {
        const quote = (text: string) => `"${text.replaceAll('"', '""')}"`;
        const lines = rows.map(
          ({ number, note, isQuoted, blanks }) =>
            `${isQuoted ? quote(number) : number}${delimiter}${quote(note)}${end}${end.repeat(blanks)}`,
        );
        // The first line decides the separator, so that the notes contain neither.
        const first = `phone${delimiter}note${delimiter}${delimiter}${end}`;
        const content = `${mark}${header ? first : `0${delimiter}${delimiter}${end}`}${lines.join('')}`;
        const expected = [...(header ? [] : ['0']), ...rows.map(({ number }) => number)];
        expect(await readFile(content, pieces)).toStrictEqual(expected);
      },
    );
    await fc.assert(property, { seed, numRuns: 500 });
  });

  test('vcf', async () => {
    const written = fc.record({
      number: phoneNumber,
      head: fc.constantFrom(
        'TEL:',
        'TEL;CELL:',
        'TEL;WORK;PREF:',
        'tel;type=cell:',
        'item1.TEL;TYPE="a,b":',
        'TEL;VALUE=uri:tel:',
      ),
      separator: fc.constantFrom('', ' ', '-', '.'),
      foldAt: fc.integer({ min: 1, max: 40 }),
    });
    const card = fc.record({
      version: fc.constantFrom('2.1', '3.0', '4.0'),
      telephones: fc.array(written, { maxLength: 4 }),
      note: fc.constantFrom(
        'NOTE:TEL\r\n  :5',
        'NOTE;QUOTED-PRINTABLE:a=\r\nTEL:5',
        'FN:ب',
        'PHOTO;BASE64:AA\r\n TEL:5',
      ),
    });
    const property = fc.asyncProperty(
      fc.array(card, { minLength: 1 }),
      lineEnd,
      pieceSizes,
      async (cards, end, pieces) => {
        const fold = (line: string, at: number) =>
          at >= line.length ? line : `${line.slice(0, at)}\r\n ${line.slice(at)}`;
        const content = cards
          .map(({ version, telephones, note }) =>
            [
              'BEGIN:VCARD',
              `VERSION:${version}`,
              ...telephones.map(({ number, head, separator, foldAt }) =>
                fold(head + number.split('').join(separator), head.length + foldAt),
              ),
              note,
              'END:VCARD',
              '',
            ].join('\r\n'),
          )
          .join('')
          .replaceAll('\r\n', end);
        const expected = cards.flatMap(({ telephones }) => telephones.map(({ number }) => number));
        expect(await readFile(content, pieces)).toStrictEqual(expected);
      },
    );
    await fc.assert(property, { seed, numRuns: 500 });
  });

  test('the error of an invalid file names the invalid line', async () => {
    const property = fc.asyncProperty(
      fc.array(phoneNumber, { minLength: 1, maxLength: 60 }),
      fc.nat(),
      lineEnd,
      pieceSizes,
      async (numbers, place, end, pieces) => {
        const bad = place % numbers.length;
        const lines = ['0', ...numbers.with(bad, '1x')];
        await expect(readFile(lines.join(end), pieces)).rejects.toThrow(
          `line ${bad + 2}, column 1: "1x" is not a phone number`,
        );
      },
    );
    await fc.assert(property, { seed, numRuns: 300 });
  });
});
