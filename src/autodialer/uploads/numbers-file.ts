import { createCsvReader } from './csv.ts';
import { decodeFile, saveAsUtf8, type FileEncoding } from './file-text.ts';
import { badLine, type NumberReader, type SkipCounts } from './number-reader.ts';
import { createVcardReader } from './vcard.ts';

/** The format of an uploaded file, detected by its first line: names are unreliable. */
type NumbersFileKind = 'csv' | 'vcf';

/** A report on a file, without any of its content. */
export type NumbersFileReport = {
  readonly kind: NumbersFileKind;
  readonly encoding: FileEncoding;
  readonly lines: number;
  /** The number of phone numbers, including duplicates. */
  readonly numbers: number;
  readonly skipped: Readonly<SkipCounts>;
};

/** Longer than any picture in a single line of a vCard. */
const maxLineLength = 1_048_576;

/**
 * Reads the phone numbers of a file in UTF-8 or UTF-16 as its bytes arrive, and passes each to `add`.
 * @throws AppError BAD_USER_INPUT with the line; any error of `add`.
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
  const text = decodeFile(bytes, (detected) => (encoding = detected));
  for await (const { lines, firstLineNumber } of splitLines(text, () => encoding)) {
    kind ??= findKind(lines);
    reader ??= kind && (kind === 'vcf' ? createVcardReader(skipped) : createCsvReader(skipped));
    await addAll(reader?.readLines(lines, firstLineNumber) ?? []);
    lineCount += lines.length;
  }
  await addAll(reader?.end() ?? []);
  return { kind: kind ?? 'csv', encoding, lines: lineCount, numbers: numberCount, skipped };
}

/** Detects the format by the first non-blank line. */
function findKind(lines: readonly string[]): NumbersFileKind | undefined {
  const line = lines.find((text) => text.trim() !== '');
  if (line === undefined) return undefined;
  return /^BEGIN:VCARD\s*$/i.test(line) ? 'vcf' : 'csv';
}

/** Splits a text into batches of lines as it arrives, with the line breaks of any system. */
async function* splitLines(
  text: AsyncIterable<string>,
  encodingOf: () => FileEncoding,
): AsyncGenerator<{ lines: readonly string[]; firstLineNumber: number }> {
  let firstLineNumber = 1;
  let rest = '';

  const split = (arrived: string, isLast: boolean) => {
    // A carriage return at the end may be the first half of a line break.
    const lines = arrived.split(isLast ? /\r\n|\n|\r/ : /\r\n|\n|\r(?!$)/);
    rest = isLast ? '' : lines.pop()!;
    // A line break at the end of the file does not start another line.
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
    ? `it is not valid UTF-8, or contains U+FFFD: the file may be in a Windows character set, such as 1252 or 1256. ${saveAsUtf8}`
    : 'it is not valid UTF-16, or contains U+FFFD. Save the file as UTF-8';
}
