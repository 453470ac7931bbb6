import { createCsvReader } from './csv.ts';
import { decodeFile, saveAsUtf8, type FileEncoding } from './file-text.ts';
import { badLine, type NumberReader, type SkipCounts } from './number-reader.ts';
import { createVcardReader } from './vcard.ts';

/** What an uploaded file is, as its first line tells: its name is nothing to rely on. */
export type NumbersFileKind = 'csv' | 'vcf';

/** What was read of a file. It holds nothing of the file's content. */
export type NumbersFileReport = {
  readonly kind: NumbersFileKind;
  readonly encoding: FileEncoding;
  readonly lines: number;
  /** How many phone numbers, of which some may be there more than once. */
  readonly numbers: number;
  readonly skipped: Readonly<SkipCounts>;
};

/** Longer than any picture of a vCard in one line. */
const maxLineLength = 1_048_576;

/**
 * Reads the phone numbers of a file in UTF-8 or UTF-16, as its bytes come in, and passes each to `add`.
 * @throws AppError BAD_USER_INPUT that names the line; and whatever `add` throws.
 */
export async function readNumbersFile(
  bytes: AsyncIterable<Buffer>,
  add: (number: string) => Promise<void>,
): Promise<NumbersFileReport> {
  const skipped: SkipCounts = {};
  let encoding: FileEncoding = 'utf-8';
  let kind: NumbersFileKind | undefined;
  let reader: NumberReader | undefined;
  let lineCount = 0;
  let numberCount = 0;
  const addAll = async (numbers: readonly string[]) => {
    for (const number of numbers) await add(number);
    numberCount += numbers.length;
  };
  const text = decodeFile(bytes, (found) => (encoding = found));
  for await (const { lines, firstLineNumber } of splitLines(text, () => encoding)) {
    kind ??= findKind(lines);
    reader ??= kind && (kind === 'vcf' ? createVcardReader(skipped) : createCsvReader(skipped));
    await addAll(reader?.readLines(lines, firstLineNumber) ?? []);
    lineCount += lines.length;
  }
  await addAll(reader?.end() ?? []);
  return { kind: kind ?? 'csv', encoding, lines: lineCount, numbers: numberCount, skipped };
}

/** What the first line tells that has something in it. */
function findKind(lines: readonly string[]): NumbersFileKind | undefined {
  const line = lines.find((each) => each.trim() !== '');
  if (line === undefined) return undefined;
  return /^BEGIN:VCARD\s*$/i.test(line) ? 'vcf' : 'csv';
}

/** Splits a text into lines, as many at a time as come in together. Line ends are those of any system. */
async function* splitLines(
  text: AsyncIterable<string>,
  encodingOf: () => FileEncoding,
): AsyncGenerator<{ lines: readonly string[]; firstLineNumber: number }> {
  let firstLineNumber = 1;
  let rest = '';

  const split = (arrived: string, isLast: boolean) => {
    // A carriage return at the end may be the half of a line end.
    const lines = arrived.split(isLast ? /\r\n|\n|\r/ : /\r\n|\n|\r(?!$)/);
    rest = isLast ? '' : lines.pop()!;
    // A line end at the end of the file begins no line.
    if (isLast && lines.at(-1) === '') lines.pop();
    const batch = { lines, firstLineNumber };
    for (const [index, line] of [...lines, rest].entries()) {
      const problem = findProblem(line, encodingOf());
      if (problem) throw badLine(firstLineNumber + index, problem);
    }
    firstLineNumber += lines.length;
    return batch;
  };

  for await (const piece of text) yield split(rest + piece, false);
  yield split(rest, true);
}

function findProblem(line: string, encoding: FileEncoding): string | undefined {
  if (line.length > maxLineLength) return `it has more than ${maxLineLength} characters`;
  if (!line.includes('\uFFFD')) return undefined;
  return encoding === 'utf-8'
    ? `it is not valid UTF-8, or holds U+FFFD: the file may be in a Windows character set, such as 1252 or 1256. ${saveAsUtf8}`
    : 'it is not valid UTF-16, or holds U+FFFD. Save the file as UTF-8';
}
