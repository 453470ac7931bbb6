import { badInput, type AppError } from '../../errors.ts';

/** Reads phone numbers out of the lines of a file, of which it holds no more than it needs. */
export type NumberReader = {
  /** Takes the next lines, and returns the numbers that are complete with them. @throws AppError BAD_USER_INPUT that names the line. */
  readLines(lines: readonly string[], firstLineNumber: number): readonly string[];
  /** To be called after the last line. @throws AppError BAD_USER_INPUT */
  end(): readonly string[];
};

/** Why something of a file holds no phone number. */
export type SkipReason =
  'blankLines' | 'headerLines' | 'emptyPhones' | 'faxNumbers' | 'rowNumbers' | 'otherCells';

/** Counts what a file holds that is not taken as a phone number, by the reason. */
export type SkipCounts = Partial<Record<SkipReason, number>>;

/** Adds one to what was skipped for this reason. */
export function countSkip(counts: SkipCounts, reason: SkipReason): void {
  counts[reason] = (counts[reason] ?? 0) + 1;
}

/** A line of an uploaded file cannot be read. `place` names more than the line, such as ", column 2". */
export function badLine(lineNumber: number, problem: string, place = ''): AppError {
  return badInput('file', `line ${lineNumber}${place}: ${problem}`);
}
