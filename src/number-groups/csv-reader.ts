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
  let column = 0;
  let isFirst = true;
  let record = '';
  let recordLine = 0;

  const readRecord = (cells: readonly string[]): readonly string[] => {
    const header = isFirst ? findNumberColumn(cells) : undefined;
    isFirst = false;
    if (header !== undefined) {
      column = header;
      return [];
    }
    return [parseNumberInLine((cells[column] ?? '').trim(), recordLine)];
  };

  return {
    readLine(line, lineNumber) {
      if (record === '') {
        if (line.trim() === '') return [];
        recordLine = lineNumber;
        delimiter ??= count(line, ';') > count(line, ',') ? ';' : ',';
        record = line;
      } else {
        record += `\n${line}`;
      }
      const { data, errors } = Papa.parse<string[]>(record, { delimiter: delimiter!, newline: '\n' });
      const problems = errors.map(({ code }) => code);
      if (problems.includes('InvalidQuotes'))
        throw badLine(recordLine, 'there is text behind a closing quote');
      if (problems.includes('MissingQuotes')) {
        if (record.length > maxRecordLength) throw unclosedQuote(recordLine);
        return [];
      }
      record = '';
      return readRecord(data[0]!);
    },

    end() {
      if (record !== '') throw unclosedQuote(recordLine);
      return [];
    },
  };
}

/** Where the numbers are by the first record, if it is a header: what begins with a letter is no number. */
function findNumberColumn(cells: readonly string[]): number | undefined {
  const names = cells.map((cell) => cell.trim().toLowerCase());
  const named = names.findIndex((name) => numberHeaders.includes(name));
  if (named !== -1) return named;
  return /^[\p{L}_]/u.test(names[0]!) ? 0 : undefined;
}

function count(text: string, character: string): number {
  return text.split(character).length - 1;
}

function unclosedQuote(lineNumber: number): Error {
  return badLine(lineNumber, 'a quote that is opened is not closed');
}
