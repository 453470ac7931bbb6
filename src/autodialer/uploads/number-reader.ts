import { badInput, type AppError } from '../../errors.ts';

/** Extracts phone numbers from the lines of a file. Buffers only incomplete records. */
export type NumberReader = {
  /**
   * Reads the next lines, and returns the numbers of complete records. @throws AppError BAD_USER_INPUT with the line.
   */
  readLines(lines: readonly string[], firstLineNumber: number): readonly string[];
  /** Call after the last line. @throws AppError BAD_USER_INPUT */
  end(): readonly string[];
};

/** Why a part of a file was skipped. */
type SkipReason = 'blankLines' | 'headerLines' | 'emptyPhones' | 'faxNumbers' | 'rowNumbers' | 'otherCells';

/** Counts skipped parts of a file by the reason. */
export type SkipCounts = Partial<Record<SkipReason, number>>;

/** Increments the count of a reason. */
export function countSkip(counts: SkipCounts, reason: SkipReason): void {
  counts[reason] = (counts[reason] ?? 0) + 1;
}

/**
 * Creates the error for an invalid line of an uploaded file. `position` is more exact than the line, such as ",
 * column 2".
 */
export function badLine(lineNumber: number, problem: string, position = ''): AppError {
  return badInput('file', `line ${lineNumber}${position}: ${problem}`);
}
