import Papa from 'papaparse';
import { badLine, parseNumberInLine, type NumberReader } from './number-reader.ts';

/** What headers call the column of the numbers. */
const numberHeaders = ['number', 'numbers', 'phone', 'mobile', 'tel', 'telephone'];
/** How long a record may be whose quotes go over several lines: one that is never closed would take in the whole file. */
const maxRecordLength = 10_000;

/**
 * Reads CSV, separated by `,` or `;`: the numbers are in the column that a header calls so, or else in the first one.
 * @see https://www.rfc-editor.org/rfc/rfc4180
 */
export function createCsvReader(): NumberReader {
  let delimiter: string | undefined;
  let column: number | undefined;
  /** The lines of a record whose quotes are still open. */
  let open: readonly string[] = [];
  let openedAt = 0;

  const readRecord = (cells: readonly string[], lineNumber: number): string | undefined => {
    if (cells.every((cell) => cell.trim() === '')) return undefined;
    if (column === undefined) {
      const header = findNumberColumn(cells);
      column = header ?? 0;
      if (header !== undefined) return undefined;
    }
    return parseNumberInLine((cells[column] ?? '').trim(), lineNumber);
  };

  return {
    readLines(lines, firstLineNumber) {
      const given = [...open, ...lines];
      // Excel may say in the first line what separates.
      const declared = delimiter === undefined ? /^"?sep=([,;])"?$/i.exec(given[0]?.trim() ?? '') : undefined;
      if (declared) [delimiter, given[0]] = [declared[1]!, ''];
      const firstGiven = firstLineNumber - open.length;
      delimiter ??= findDelimiter(given);
      const { data, errors } = Papa.parse<string[]>(given.join('\n'), { delimiter, newline: '\n' });
      const rowsWith = (problem: string) =>
        new Set(errors.filter(({ code }) => code === problem).map(({ row }) => row));
      const invalid = rowsWith('InvalidQuotes');
      const unclosed = rowsWith('MissingQuotes');

      const numbers: string[] = [];
      open = [];
      let line = 0;
      for (const [row, cells] of data.entries()) {
        if (invalid.has(row)) throw badLine(firstGiven + line, 'there is text behind a closing quote');
        if (unclosed.has(row)) {
          open = given.slice(line);
          if (cells.join('').length > maxRecordLength) throw unclosedQuote(firstGiven + line);
          break;
        }
        const number = readRecord(cells, firstGiven + line);
        if (number !== undefined) numbers.push(number);
        line += 1 + countLineBreaks(cells);
      }
      openedAt = firstGiven + line;
      return numbers;
    },

    end() {
      if (open.length > 0) throw unclosedQuote(openedAt);
      return [];
    },
  };
}

/** Where the numbers are by the first record, if it is a header: what begins with a letter is no number. */
function findNumberColumn(cells: readonly string[]): number | undefined {
  const headers = cells.map((cell) => cell.trim().toLowerCase());
  const named = headers.findIndex((header) => numberHeaders.includes(header));
  if (named !== -1) return named;
  // As in "Mobile Phone", or "Phone 1 - Value" beside "Phone 1 - Label".
  const described = headers.findIndex((header) => {
    const words = header.split(/[^\p{L}]+/u);
    return words.some((word) => numberHeaders.includes(word)) && !/\b(type|label)\b/.test(header);
  });
  if (described !== -1) return described;
  return /^[\p{L}_]/u.test(headers[0]!) ? 0 : undefined;
}

/** The first line with something in it tells; what is in quotes does not count. */
function findDelimiter(lines: readonly string[]): string | undefined {
  const line = lines.find((each) => each.trim() !== '')?.replace(/"[^"]*"/g, '');
  if (line === undefined) return undefined;
  return line.split(';').length > line.split(',').length ? ';' : ',';
}

function countLineBreaks(cells: readonly string[]): number {
  let count = 0;
  for (const cell of cells) if (cell.includes('\n')) count += cell.split('\n').length - 1;
  return count;
}

function unclosedQuote(lineNumber: number): Error {
  return badLine(lineNumber, 'a quote that is opened is not closed');
}
