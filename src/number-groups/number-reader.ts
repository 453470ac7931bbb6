import { badInput, type AppError } from '../errors.ts';
import { numberPattern } from './number-group.ts';

/** Reads phone numbers out of the lines of a file, of which it holds no more than it needs. */
export type NumberReader = {
  /** Takes the next lines, and answers the numbers that are whole with them. @throws AppError BAD_USER_INPUT that names the line. */
  readLines(lines: readonly string[], firstLineNumber: number): readonly string[];
  /** To be called behind the last line. @throws AppError BAD_USER_INPUT */
  end(): readonly string[];
};

/** Reads what stands for a phone number in a line of a file, which may have `written` it in another way. @throws AppError BAD_USER_INPUT */
export function parseNumberInLine(text: string, lineNumber: number, written = text): string {
  if (numberPattern.test(text)) return text;
  const shown = JSON.stringify(Array.from(written).slice(0, 40).join(''));
  throw badLine(lineNumber, `${shown} is not a phone number, which has 1 to 32 of the characters + 0-9 * #`);
}

/** A line of an uploaded file cannot be read. */
export function badLine(lineNumber: number, problem: string): AppError {
  return badInput('file', `line ${lineNumber}: ${problem}`);
}
