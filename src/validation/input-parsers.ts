import { badInput } from '../errors.ts';
import { parseCidr } from './ip-address.ts';
import { quoteValue } from './quote-value.ts';

/**
 * Parses the value of the argument at this path.
 * @throws AppError BAD_USER_INPUT with the path of the argument
 */
export type Parse<T> = (value: unknown, argument: string) => T;

const maxInt = 2_147_483_647;

/**
 * Parses an id. `kind` is for the message: "Group id must be a positive integer", with the argument and its value
 * unless it is the call's only id.
 */
export function parseId(value: unknown, argument: string, kind: string): number {
  if (!Number.isInteger(value) || (value as number) < 1 || (value as number) > maxInt) {
    const named = argument === 'id' ? '' : `: ${argument} is ${quoteValue(value)}`;
    throw badInput(argument, `${kind} id must be a positive integer${named}`);
  }
  return value as number;
}

/** Creates a parser of integers within bounds. */
export function integerParser({ min, max = maxInt }: { min: number; max?: number }): Parse<number> {
  return (value, argument) => {
    if (!Number.isInteger(value) || (value as number) < min || (value as number) > max) {
      throw badInput(
        argument,
        `${argument} must be a whole number from ${min} to ${max}, not ${quoteValue(value)}`,
      );
    }
    return value as number;
  };
}

const maxPageSize = 200;
const defaultPageSize = 50;

/** Parses a page size. */
export function parsePageSize(value: unknown): number {
  return integerParser({ min: 1, max: maxPageSize })(value ?? defaultPageSize, 'first');
}

/** Parses an id or a version. */
export const parsePositiveInteger: Parse<number> = integerParser({ min: 1 });

/** Parses a date and time in the format of `toISOString()`. */
export const parseIsoDate: Parse<string> = (value, argument) => {
  const parsed = new Date(typeof value === 'string' ? value : Number.NaN);
  if (Number.isNaN(parsed.getTime()) || parsed.toISOString() !== value) {
    throw badInput(argument, `${argument} must be a date and time such as 2026-11-22T09:30:00.000Z`);
  }
  return parseDate(parsed, argument).toISOString();
};

/** Parses a date and time that both RFC 3339 and PostgreSQL support: years 1 to 9999 in UTC. */
export function parseDate(value: unknown, argument: string): Date {
  const year = value instanceof Date ? value.getUTCFullYear() : Number.NaN;
  if (!(year >= 1 && year <= 9999))
    throw badInput(argument, `${argument} must be a date and time of the years 1 to 9999`);
  return value as Date;
}

/** Parses a percentage. */
export const parsePercent: Parse<number> = (value, argument) => {
  if (typeof value !== 'number' || !(value >= 0 && value <= 100)) {
    throw badInput(argument, `${argument} must be a number from 0 to 100, not ${quoteValue(value)}`);
  }
  return value;
};

export const parseBoolean: Parse<boolean> = (value, argument) => {
  if (typeof value !== 'boolean')
    throw badInput(argument, `${argument} must be true or false, not ${quoteValue(value)}`);
  return value;
};

/** The rules of a text. */
type TextRules = {
  /** Lengths are in code points, as in PostgreSQL. 1: at least one visible character. */
  readonly min?: number;
  readonly max: number;
  /** Rejects invisible characters too, such as zero-width spaces. */
  readonly printable?: true;
  /** Accepts line breaks and tabs. */
  readonly multiline?: true;
};

/** Creates a parser of texts by their rules. */
export type CreateTextParser = (rules: TextRules) => Parse<string>;

/** Creates a parser that trims texts and normalizes them to NFC with LF line ends. */
export const textParser: CreateTextParser = (rules) => createTextParser(rules, visible);

/** Like `textParser`, for a text that an earlier version has stored: it is blank only if it consists of white space. */
export const exportedTextParser: CreateTextParser = (rules) => createTextParser(rules, /\S/u);

function createTextParser(
  { min = 0, max, printable, multiline }: TextRules,
  notBlank: RegExp,
): Parse<string> {
  const forbidden = multiline ? controlsWithinLines : controls;
  return (value, argument) => {
    if (typeof value !== 'string') throw badInput(argument, `${argument} must be a string`);
    if (!value.isWellFormed())
      throw badInput(argument, `${argument} must be valid Unicode: it contains an unpaired surrogate`);
    const normalised = normalizeText(value);
    if (forbidden.test(normalised))
      throw badInput(argument, `${argument} must not contain control characters`);
    if (min === 1 && !notBlank.test(normalised)) throw badInput(argument, `${argument} must not be blank`);
    if (printable && /\p{C}/u.test(normalised))
      throw badInput(argument, `${argument} must contain printable characters only`);
    const length = countCodePoints(normalised);
    if (length > max)
      throw badInput(argument, `${argument} must have at most ${max} characters, not ${length}`);
    return normalised;
  };
}

/** Returns the stored form of a text: trimmed, in NFC, with LF line ends. */
export function normalizeText(value: string): string {
  return value.trim().normalize('NFC').replace(/\r\n?/g, '\n');
}

/**
 * Control characters, and Unicode's line and paragraph separators, which some PostgreSQL locales classify as control
 * characters.
 */
const controls = /[\p{Cc}\p{Zl}\p{Zp}]/u;
const controlsWithinLines = /[^\P{Cc}\n\t]/u;
/**
 * A visible character: no white space, control or format character, no character that Unicode does not display (such as
 * the Hangul fillers), and not the blank Braille pattern.
 */
const visible = /[^\s\p{Z}\p{Cc}\p{Cf}\p{Default_Ignorable_Code_Point}\u2800]/u;

/** Parses a stored text in a cursor, without any rules for its content. */
export const parseStoredText: Parse<string> = (value, argument) => {
  if (
    typeof value !== 'string' ||
    !value.isWellFormed() ||
    value.includes('\0') ||
    value.length > maxStoredLength
  )
    throw badInput(argument, `${argument} must be a cursor that this server returned`);
  return value;
};
const maxStoredLength = 2000;

/** Creates a parser that accepts one of these words. */
export function enumParser(words: readonly string[]): Parse<string> {
  return (value, argument) => {
    if (!words.includes(value as string))
      throw badInput(argument, `${argument} must be one of ${words.join(', ')}, not ${quoteValue(value)}`);
    return value as string;
  };
}

/**
 * Parses an exact non-negative decimal that fits DECIMAL(16,4). Returns its digits as a string: it is never converted
 * to a float.
 */
export const parsePrice: Parse<string> = (value, argument) => {
  if (typeof value !== 'string' || !/^\d{1,12}(\.\d{1,4})?$/.test(value.trim())) {
    throw badInput(
      argument,
      `${argument} must be a decimal such as "29.90", 0 or more, with at most 12 digits before and 4 after the point, ` +
        `not ${quoteValue(value)}`,
    );
  }
  return value.trim();
};

/** Parses an IPv4 or IPv6 address, a CIDR block, or one of the vendor's words STATIC and DYNAMIC. */
export const parseIpAddress: Parse<string> = (value, argument) => {
  const trimmed = typeof value === 'string' ? value.trim() : '';
  if (trimmed === 'STATIC' || trimmed === 'DYNAMIC') return trimmed;
  if (!parseCidr(trimmed)) {
    throw badInput(
      argument,
      `${argument} must be an IPv4 or IPv6 address, a CIDR block, STATIC or DYNAMIC, not ${quoteValue(value)}`,
    );
  }
  return trimmed;
};

/** Creates a parser that also accepts null, which removes a value. */
export function nullableParser<T>(parse: Parse<T>): Parse<T | null> {
  return (value, argument) => (value === null ? null : parse(value, argument));
}

type Fields = Readonly<Record<string, Parse<unknown>>>;
/** The parsed fields of an input object. */
export type Parsed<F extends Fields> = { -readonly [Name in keyof F]?: ReturnType<F[Name]> };

/**
 * Parses the fields of an input object; omitted fields stay omitted. `argument` is the path to the object; without it,
 * the fields are the arguments themselves.
 */
export function parseFields<F extends Fields>(fields: F, input: unknown, argument?: string): Parsed<F> {
  if (!isObject(input)) throw badInput(argument ?? 'body', `${argument ?? 'body'} is required`);
  const entries = Object.entries(input).filter(([name, value]) => name in fields && value !== undefined);
  return Object.fromEntries(
    entries.map(([name, value]) => [name, fields[name]!(value, pathTo(name, argument))]),
  ) as Parsed<F>;
}

/** Requires fields of an input object. @throws AppError BAD_USER_INPUT */
export function requireFields<T extends object, Name extends keyof T & string>(
  input: T,
  names: readonly Name[],
  argument?: string,
): T & { [N in Name]-?: NonNullable<T[N]> } {
  const missing = names.find((name) => input[name] === undefined);
  if (missing) throw badInput(pathTo(missing, argument), `${pathTo(missing, argument)} is required`);
  return input as T & { [N in Name]-?: NonNullable<T[N]> };
}

function pathTo(name: string, argument: string | undefined): string {
  return argument === undefined ? name : `${argument}.${name}`;
}

/** Requires at least one field. @throws AppError BAD_USER_INPUT */
export function requireAnyField<T extends object>(input: T, argument: string): T {
  if (Object.keys(input).length === 0)
    throw badInput(argument, `${argument} must contain at least one field to change`);
  return input;
}

/** Removes nulls: clients that send every field of a form use null for empty fields. */
export function withoutNulls(input: unknown): unknown {
  if (!isObject(input)) return input;
  return Object.fromEntries(Object.entries(input).filter(([, value]) => value !== null));
}

/** Input objects in the text of a query have no prototype, so `instanceof` does not work. */
function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

function countCodePoints(value: string): number {
  let count = 0;
  for (const _ of value) count++;
  return count;
}
