import Papa from 'papaparse';
import { badLine, countSkip, type SkipCounts } from './number-reader.ts';

/** The maximum length of a record with quoted line breaks: an unclosed quote would otherwise consume the whole file. */
const maxRecordLength = 10_000;
/** How many columns a record may have: the work for a record grows with them. */
const maxColumns = 1000;
const delimiters = [',', ';', '\t'] as const;

/** A record with at least one cell that is not blank, and the number of its first line. */
type CsvRecord = { readonly cells: readonly string[]; readonly lineNumber: number };

/** Splits the lines of a file into records. Buffers only a record whose quotes are still open. */
type RecordParser = {
  /** Yields the complete records of the next lines. @throws AppError BAD_USER_INPUT with the line. */
  parse(lines: readonly string[], firstLineNumber: number): Generator<CsvRecord>;
  /** Call after the last line: returns its number. @throws AppError BAD_USER_INPUT if a quote is not closed. */
  end(): number;
};

/** Creates the parser of a file. Counts blank records, and Excel's first line, in `skips`. */
export function createRecordParser(skips: SkipCounts): RecordParser {
  let delimiter: string | undefined;
  /** The lines of a record whose quotes are still open. */
  let open: readonly string[] = [];
  let nextLineNumber = 1;

  return {
    *parse(lines, firstLineNumber) {
      const allLines = [...open, ...lines];
      // Excel may declare the separator in the first line.
      const declared =
        delimiter === undefined ? /^"?sep=([,;\t])"?$/i.exec(allLines[0]?.trimStart() ?? '') : undefined;
      if (declared) {
        [delimiter, allLines[0]] = [declared[1]!, ''];
        countSkip(skips, 'headerLines');
      }
      nextLineNumber = firstLineNumber - open.length;
      delimiter ??= findDelimiter(allLines);
      const { data, errors } = Papa.parse<string[]>(allLines.join('\n'), { delimiter, newline: '\n' });
      const rowsWith = (problem: string) =>
        new Set(errors.filter(({ code }) => code === problem).map(({ row }) => row));
      const invalid = rowsWith('InvalidQuotes');
      const unclosed = rowsWith('MissingQuotes');

      open = [];
      let line = 0;
      for (const [row, cells] of data.entries()) {
        const lineNumber = nextLineNumber;
        if (cells.length > maxColumns) throw tooManyColumns(lineNumber, cells.length);
        if (invalid.has(row)) throw badLine(lineNumber, 'there is text after a closing quote');
        if (unclosed.has(row)) {
          open = allLines.slice(line);
          if (cells.join('').length > maxRecordLength) throw unclosedQuote(lineNumber);
          return;
        }
        const lineCount = 1 + countLineBreaks(cells);
        line += lineCount;
        nextLineNumber += lineCount;
        if (cells.every(isBlank)) countSkip(skips, 'blankLines');
        else yield { cells, lineNumber };
      }
    },

    end() {
      if (open.length > 0) throw unclosedQuote(nextLineNumber);
      return nextLineNumber - 1;
    },
  };
}

/** Returns whether a cell has no text. */
export function isBlank(cell: string): boolean {
  return cell.trim() === '';
}

/** Returns the most frequent delimiter of the first non-blank line, outside of quotes. */
function findDelimiter(lines: readonly string[]): string | undefined {
  const line = lines.find((text) => text.trim() !== '')?.replace(/"[^"]*"/g, '');
  if (line === undefined) return undefined;
  const counts = delimiters.map((delimiter) => line.split(delimiter).length);
  return delimiters[counts.indexOf(Math.max(...counts))];
}

function countLineBreaks(cells: readonly string[]): number {
  let count = 0;
  for (const cell of cells) if (cell.includes('\n')) count += cell.split('\n').length - 1;
  return count;
}

function tooManyColumns(lineNumber: number, count: number): Error {
  return badLine(lineNumber, `it has ${count} columns; ${maxColumns} are allowed`);
}

function unclosedQuote(lineNumber: number): Error {
  return badLine(lineNumber, 'a quote that is opened is not closed');
}
