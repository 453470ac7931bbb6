import { createRecordParser, isBlank } from './csv-records.ts';
import { findPhoneColumns, isFaxLabel, type PhoneColumn } from './phone-columns.ts';
import { appendCellNumbers, type PhoneProblem } from './phone-number.ts';
import { badLine, countSkip, type NumberReader, type SkipCounts } from './number-reader.ts';

/** The maximum number of columns in an error. */
const maxNamedColumns = 30;

/**
 * Reads CSV, separated by `,`, `;` or tabs. With a header, reads the numbers of all columns whose name means phone
 * numbers; without one, every cell that is a number. Counts skipped cells in `skips`.
 * @see https://www.rfc-editor.org/rfc/rfc4180
 */
export function createCsvReader(skips: SkipCounts): NumberReader {
  const parser = createRecordParser(skips);
  let records: RecordReader | undefined;
  return {
    readLines(lines, firstLineNumber) {
      const numbers: string[] = [];
      for (const { cells, lineNumber } of parser.parse(lines, firstLineNumber)) {
        if (records) records.read(cells, lineNumber, numbers);
        else records = startRecords(cells, lineNumber, numbers, skips);
      }
      return numbers;
    },

    end() {
      const lastLineNumber = parser.end();
      records?.end(lastLineNumber);
      return [];
    },
  };
}

type RecordReader = {
  /** Appends the numbers of a record. @throws AppError BAD_USER_INPUT with the line and the column. */
  read(cells: readonly string[], lineNumber: number, numbers: string[]): void;
  /** Call after the last record. @throws AppError BAD_USER_INPUT with the line and the column. */
  end(lastLineNumber: number): void;
};

/** Reads the first record, which may be a header, and returns the reader of the other records. */
function startRecords(
  cells: readonly string[],
  lineNumber: number,
  numbers: string[],
  skips: SkipCounts,
): RecordReader {
  if (!isHeader(cells)) {
    const records = createPlainReader(cells, skips);
    records.read(cells, lineNumber, numbers);
    return records;
  }
  const columns = findPhoneColumns(cells);
  if (columns.length === 0) throw unknownColumns(cells, lineNumber);
  countSkip(skips, 'headerLines');
  return createHeaderReader(columns, cells.length, skips);
}

/**
 * Returns whether a record is a header: it has text and no number, or names a phone column and has only years, or a few
 * other short numbers.
 */
function isHeader(cells: readonly string[]): boolean {
  const values = cells.filter((cell) => !isBlank(cell));
  const figures = values.map(findNumber).filter((number) => number !== undefined);
  const texts = values.filter(
    (cell) => /^["'(]?[\p{L}_]/u.test(cell.trim()) && findNumber(cell) === undefined,
  );
  if (figures.length === 0) return texts.length > 0;
  const areShort = figures.every((figure) => figure.length <= maxFigureDigits);
  const areFew = areShort && texts.length > figures.length;
  return (areFew || figures.every((figure) => year.test(figure))) && findPhoneColumns(cells).length > 0;
}
const maxFigureDigits = 4;
/** Of the Gregorian and the Persian calendar. */
const year = /^(?:1[34]|19|20)\d\d$/;

/** Creates the reader for a file with a header of `headerLength` columns. */
function createHeaderReader(
  columns: readonly PhoneColumn[],
  headerLength: number,
  skips: SkipCounts,
): RecordReader {
  const checks = columns.filter((column) => column.mayHaveRowNumbers).map(createRowNumberCheck);
  const isPhoneLast = columns.at(-1)!.index === headerLength - 1;
  const read: RecordReader['read'] = (cells, lineNumber, numbers) => {
    if (cells.length > headerLength && !(isPhoneLast && isPaused(cells.slice(headerLength - 1))))
      rejectUnnamedNumbers(cells, headerLength, lineNumber);
    for (const { index, header, labelIndex } of columns) {
      const cell = cells[index];
      if (cell === undefined || cell === '') {
        countSkip(skips, 'emptyPhones');
        continue;
      }
      if (labelIndex !== undefined && isFaxLabel(cells[labelIndex] ?? '')) {
        countSkip(skips, 'faxNumbers');
        continue;
      }
      const before = numbers.length;
      const problem = appendCellNumbers(cell, numbers);
      if (problem) throw badLine(lineNumber, problem.message, nameColumn(index, header));
      if (numbers.length === before) countSkip(skips, 'emptyPhones');
      else checks.find((check) => check.index === index)?.add(numbers.at(-1)!, lineNumber);
    }
  };
  return { read, end: (lastLineNumber) => checks.forEach((check) => check.end(lastLineNumber)) };
}

/**
 * Rejects numbers to the right of the header: the cell before may have had several numbers without quotes.
 * @throws AppError BAD_USER_INPUT
 */
function rejectUnnamedNumbers(cells: readonly string[], headerLength: number, lineNumber: number): void {
  const index = cells.findIndex(
    (cell, column) => column >= headerLength && !isDateOrAmount(cell) && findNumber(cell) !== undefined,
  );
  if (index === -1) return;
  const problem =
    `there is a number, but the header has ${headerLength} ${headerLength === 1 ? 'column' : 'columns'}. ` +
    'Add its name to the header, or put quotes around cells with several numbers';
  throw badLine(lineNumber, problem, nameColumn(index, undefined));
}

/** How many numbers of a column show whether it has row numbers. */
const examinedNumbers = 10;

/** How many consecutive numbers are not a coincidence. */
const minConsecutive = 3;

/**
 * Rejects a column that is named just "number", and whose first numbers have one or two digits or are consecutive:
 * these are row numbers, which must not be called.
 */
function createRowNumberCheck({ index, header }: PhoneColumn) {
  const examined: string[] = [];
  let areShort = true;
  let areConsecutive = true;
  const reject = (lineNumber: number) => {
    const problem =
      `the values ${examined.slice(0, 3).join(', ')} … ${areShort ? '' : 'are consecutive, and '}appear to be row numbers, ` +
      'not phone numbers. If they are phone numbers, name the column "phone"; otherwise name the column with the phone numbers so';
    return badLine(lineNumber, problem, nameColumn(index, header));
  };
  return {
    index,
    add(number: string, lineNumber: number) {
      if (!areShort && !areConsecutive) return;
      const previous = examined.at(-1);
      areShort &&= /^0*\d{1,2}$/.test(number);
      areConsecutive &&=
        /^\d{1,6}$/.test(number) && (previous === undefined || Number(number) === Number(previous) + 1);
      examined.push(number);
      if (examined.length === examinedNumbers && (areShort || areConsecutive)) throw reject(lineNumber);
    },
    end(lastLineNumber: number) {
      if (areShort ? examined.length > 0 : areConsecutive && examined.length >= minConsecutive)
        throw reject(lastLineNumber);
    },
  };
}

/** Creates the reader for a file without a header. `first` is the first record. */
function createPlainReader(first: readonly string[], skips: SkipCounts): RecordReader {
  const rowNumbers = findRowNumbers(first);
  /** Columns that had a number in some record: all later cells must be numbers too. */
  const numberColumns = new Set<number>();
  const isList = isBlank(first[1] ?? '');
  const read: RecordReader['read'] = (record, lineNumber, numbers) => {
    const cells = isList && isPaused(record) ? record.slice(0, 1) : record;
    if (cells !== record) countSkip(skips, 'otherCells');
    let hasNumber = false;
    for (const [index, cell] of cells.entries()) {
      if (isBlank(cell)) continue;
      if (index === rowNumbers) {
        countSkip(skips, 'rowNumbers');
        continue;
      }
      // Fast path: most cells that are not numbers are names.
      if (!numberColumns.has(index) && !mayBeNumber.test(cell)) {
        countSkip(skips, 'otherCells');
        continue;
      }
      const before = numbers.length;
      const problem = isDateOrAmount(cell) ? dateOrAmount(cell) : appendCellNumbers(cell, numbers);
      if (problem && (problem.isDamaged || numberColumns.has(index)))
        throw badLine(lineNumber, problem.message, nameColumn(index, undefined));
      if (problem) countSkip(skips, 'otherCells');
      else if (numbers.length > before) {
        hasNumber = true;
        numberColumns.add(index);
      }
    }
    if (!hasNumber) rejectUnreadableCells(cells, lineNumber);
  };
  return { read, end: () => undefined };
}
const mayBeNumber = /[\d۰-۹٠-٩+*#]/;

/**
 * Rejects a record without a number, and names the cell that was probably meant as one: preferably one with digits.
 * @throws AppError BAD_USER_INPUT
 */
function rejectUnreadableCells(cells: readonly string[], lineNumber: number): void {
  const problems = cells.map((cell) =>
    isDateOrAmount(cell) ? dateOrAmount(cell) : appendCellNumbers(cell, []),
  );
  const withDigits = problems.findIndex((problem, index) => problem && mayBeNumber.test(cells[index]!));
  const index = withDigits === -1 ? problems.findIndex((problem) => problem) : withDigits;
  if (index !== -1) throw badLine(lineNumber, problems[index]!.message, nameColumn(index, undefined));
}

/**
 * Returns whether the delimiters of a record are the pause after a complete number, as in `02188001122,,12#` in a
 * list of numbers.
 */
function isPaused([first = '', ...others]: readonly string[]): boolean {
  const dialledLater = others.filter((cell) => !isBlank(cell));
  return (
    dialledLater.length > 0 &&
    (findNumber(first)?.length ?? 0) >= minCompleteLength &&
    dialledLater.every((cell) => (findNumber(cell)?.length ?? minCompleteLength) < minCompleteLength)
  );
}

/** Finds the column with row numbers, which starts with 0 or 1 next to a complete number. */
function findRowNumbers(first: readonly string[]): number | undefined {
  const numbers = first.map(findNumber);
  const index = numbers.findIndex((number) => number === '0' || number === '1');
  const hasComplete = numbers.some((number) => number !== undefined && number.length >= minCompleteLength);
  return index === -1 || !hasComplete ? undefined : index;
}
const minCompleteLength = 7;

/** Returns the first number of a cell. */
function findNumber(cell: string): string | undefined {
  const numbers: string[] = [];
  return appendCellNumbers(cell, numbers) ? undefined : numbers[0];
}

const yearFirst = /^(?:1[2-9]|20)\d\d([-/.])\d\d?\1\d\d?(?:[T ].*)?$/;
const yearLast = /^\d\d?([-/.])\d\d?\1(?:1[2-9]|20)\d\d$/;
const amount = /^\d{1,5}[.,]\d\d?$/;

/**
 * Recognizes dates of the Gregorian and the Persian calendar, and decimals: without a header these are not phone
 * numbers.
 */
function isDateOrAmount(cell: string): boolean {
  const text = cell.trim();
  return yearFirst.test(text) || yearLast.test(text) || amount.test(text);
}

function dateOrAmount(cell: string): PhoneProblem {
  return {
    message: `${JSON.stringify(cell.trim())} is a date or an amount, not a phone number`,
    isDamaged: false,
  };
}

function nameColumn(index: number, header: string | undefined): string {
  return `, column ${index + 1}${header === undefined ? '' : ` (${shorten(header)})`}`;
}

function unknownColumns(cells: readonly string[], lineNumber: number): Error {
  const names = cells.slice(0, maxNamedColumns).map((cell) => JSON.stringify(shorten(cell.trim())));
  const more = cells.length > names.length ? ', …' : '';
  return badLine(
    lineNumber,
    `none of the columns ${names.join(', ')}${more} is known to contain phone numbers. ` +
      'Name that column "phone" or "mobile", or remove the first line',
  );
}

function shorten(text: string): string {
  const characters = Array.from(text.slice(0, 200));
  return characters.length > maxNameLength ? `${characters.slice(0, maxNameLength).join('')}…` : text;
}
const maxNameLength = 40;
