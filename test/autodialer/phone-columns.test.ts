import { describe, expect, test } from '@jest/globals';
import { badLine, createAutodialerClient } from '../support/autodialer.ts';
import { useTestApp } from '../support/test-app.ts';

const app = useTestApp();
const { numbersIn, readNumbers } = createAutodialerClient(() => app);

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

test('a file of as many columns as are allowed is read, with the labels of all of them', async () => {
  const headers = Array.from({ length: 500 }, (_, index) => `Phone ${index} - Value,Phone ${index} - Label`);
  const cells = Array.from({ length: 500 }, (_, index) => `${1000 + index},${index % 2 ? 'Mobile' : 'Fax'}`);
  expect(await numbersIn(`${headers.join(',')}\n${cells.join(',')}`)).toStrictEqual(
    Array.from({ length: 250 }, (_, index) => String(1001 + 2 * index)),
  );
  const notes = `1,"${','.repeat(5000)}"`;
  expect(await numbersIn(`phone,note\n${notes}`)).toStrictEqual(['1']);
});
