import { createCsvReader } from './csv-reader.ts';
import { badLine, type NumberReader } from './number-reader.ts';
import { createVcardReader } from './vcard-reader.ts';

/** What an uploaded file is, as its first line tells: its name is nothing to rely on. */
export type NumbersFileKind = 'csv' | 'vcf';

/** Longer than any picture of a vCard in one line. */
const maxLineLength = 1_048_576;

/**
 * Reads the phone numbers of a file in UTF-8, as its bytes come in, and hands each to `add`.
 * @throws AppError BAD_USER_INPUT that names the line; and whatever `add` throws.
 */
export async function readNumbersFile(
  bytes: AsyncIterable<Buffer>,
  add: (number: string) => Promise<void>,
): Promise<NumbersFileKind> {
  let kind: NumbersFileKind | undefined;
  let reader: NumberReader | undefined;
  for await (const { lines, firstLineNumber } of splitLines(bytes)) {
    kind ??= findKind(lines);
    reader ??= kind && (kind === 'vcf' ? createVcardReader() : createCsvReader());
    for (const number of reader?.readLines(lines, firstLineNumber) ?? []) await add(number);
  }
  for (const number of reader?.end() ?? []) await add(number);
  return kind ?? 'csv';
}

/** What the first line tells that has something in it. */
function findKind(lines: readonly string[]): NumbersFileKind | undefined {
  const line = lines.find((each) => each.trim() !== '');
  if (line === undefined) return undefined;
  return /^BEGIN:VCARD\s*$/i.test(line) ? 'vcf' : 'csv';
}

/** Splits what comes in into lines, as many at a time as come in together. Line ends are those of any system. */
async function* splitLines(
  bytes: AsyncIterable<Buffer>,
): AsyncGenerator<{ lines: readonly string[]; firstLineNumber: number }> {
  // Takes a byte order mark off; what is not UTF-8 becomes U+FFFD, so that its line can be named.
  const decoder = new TextDecoder('utf-8');
  let firstLineNumber = 1;
  let rest = '';

  const split = (text: string, isLast: boolean) => {
    // A carriage return at the end may be the half of a line end.
    const lines = text.split(isLast ? /\r\n|\n|\r/ : /\r\n|\n|\r(?!$)/);
    rest = isLast ? '' : lines.pop()!;
    const batch = { lines, firstLineNumber };
    for (const [index, line] of [...lines, rest].entries()) {
      const problem = findProblem(line);
      if (problem) throw badLine(firstLineNumber + index, problem);
    }
    firstLineNumber += lines.length;
    return batch;
  };

  for await (const chunk of bytes) yield split(rest + decoder.decode(chunk, { stream: true }), false);
  yield split(rest + decoder.decode(), true);
}

function findProblem(line: string): string | undefined {
  if (line.length > maxLineLength) return `it has more than ${maxLineLength} characters`;
  return line.includes('\uFFFD') ? 'it is not valid UTF-8, or holds U+FFFD' : undefined;
}
