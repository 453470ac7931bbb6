import { badInput } from '../errors.ts';
import { parseDateText } from '../validation/date-text.ts';

/** Parses a number argument. Returns any other text unchanged: the validation of the number rejects it by its value. */
export function readNumber(text: string | undefined): number | string | undefined {
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : text;
}

/** Parses a decimal such as 12.5. Returns any other text unchanged: the validation rejects it by its value. */
export function readDecimal(text: string): number | string {
  return /^\d+(\.\d+)?$/.test(text) ? Number(text) : text;
}

/** Parses "true" and "false". The validation of the value rejects any other text. */
export function readBoolean(text: string | undefined): boolean | string | undefined {
  return text === 'true' || text === 'false' ? text === 'true' : text;
}

/** Parses the date of an option such as --since. @throws AppError BAD_USER_INPUT */
export function readDate(text: string | undefined, option: string): Date | undefined {
  if (text === undefined) return undefined;
  const date = parseDateText(text);
  if (date) return date;
  throw badInput(
    option,
    `${option} must be a date, such as 2030-01-01 or 2030-01-01T12:00:00Z, not "${text}"`,
  );
}
