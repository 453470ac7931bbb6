import { badInput } from '../errors.ts';
import { parseCidr } from './ip-address.ts';

/**
 * Reads a value that a caller gave for the argument at this path.
 * @throws AppError BAD_USER_INPUT that names the argument.
 */
export type Parse<T> = (value: unknown, argument: string) => T;

const maxInt = 2_147_483_647;

/** Reads the id of something, of which `what` says the kind: "Group id must be a positive integer". */
export function parseId(value: unknown, argument: string, what: string): number {
  if (!Number.isInteger(value) || (value as number) < 1 || (value as number) > maxInt) {
    throw badInput(argument, `${what} id must be a positive integer`);
  }
  return value as number;
}

/** Reads a whole number within bounds. */
export function integer({ min, max = maxInt }: { min: number; max?: number }): Parse<number> {
  return (value, argument) => {
    if (!Number.isInteger(value) || (value as number) < min || (value as number) > max) {
      throw badInput(argument, `${argument} must be a whole number from ${min} to ${max}`);
    }
    return value as number;
  };
}

const maxPageSize = 200;
const defaultPageSize = 50;

/** Reads how many entries a page is to have at most. */
export function parsePageSize(value: unknown): number {
  return integer({ min: 1, max: maxPageSize })(value ?? defaultPageSize, 'first');
}

/** Reads an id or a version. */
export const positiveInteger: Parse<number> = integer({ min: 1 });

/** Reads a date and time that was written by `toISOString()`. */
export const isoDate: Parse<string> = (value, argument) => {
  const read = new Date(typeof value === 'string' ? value : Number.NaN);
  if (Number.isNaN(read.getTime()) || read.toISOString() !== value) {
    throw badInput(argument, `${argument} must be a date and time such as 2026-11-22T09:30:00.000Z`);
  }
  return date(read, argument).toISOString();
};

/** Reads a date and time that both RFC 3339 and PostgreSQL can write: of the years 1 to 9999, in UTC. */
export function date(value: unknown, argument: string): Date {
  const year = value instanceof Date ? value.getUTCFullYear() : Number.NaN;
  if (!(year >= 1 && year <= 9999))
    throw badInput(argument, `${argument} must be a date and time of the years 1 to 9999`);
  return value as Date;
}

/** Reads a percentage. */
export const percent: Parse<number> = (value, argument) => {
  if (typeof value !== 'number' || !(value >= 0 && value <= 100)) {
    throw badInput(argument, `${argument} must be a number from 0 to 100`);
  }
  return value;
};

export const boolean: Parse<boolean> = (value, argument) => {
  if (typeof value !== 'boolean') throw badInput(argument, `${argument} must be true or false`);
  return value;
};

/** What a text may be like. */
type TextRules = {
  /** In code points, as PostgreSQL counts. 1: at least one visible character. */
  readonly min?: number;
  readonly max: number;
  /** Rejects invisible characters too, such as zero-width spaces. */
  readonly printable?: true;
  /** Accepts line breaks and tabs. */
  readonly multiline?: true;
};

/** Creates a parser of texts by their rules. */
export type CreateTextParser = (rules: TextRules) => Parse<string>;

/** Parses a text, trimmed and in Unicode's NFC; of several lines each ends with a line feed. */
export const text: CreateTextParser = (rules) => createTextParser(rules, visible);

/** As `text`, for a text that an earlier version has stored: it is not blank if it has any character but white space. */
export const exportedText: CreateTextParser = (rules) => createTextParser(rules, /\S/u);

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

/** A text as it is stored: trimmed, in NFC, with line feeds for the line ends of any system. */
export function normalizeText(value: string): string {
  return value.trim().normalize('NFC').replace(/\r\n?/g, '\n');
}

/** Controls, and Unicode's own line and paragraph separators, which some of PostgreSQL's locales take for controls. */
const controls = /[\p{Cc}\p{Zl}\p{Zp}]/u;
const controlsWithinLines = /[^\P{Cc}\n\t]/u;
/**
 * Neither a blank, nor a control or format character, nor one that Unicode says is not displayed (as the Hangul fillers are), nor
 * the empty pattern of Braille.
 */
const visible = /[^\s\p{Z}\p{Cc}\p{Cf}\p{Default_Ignorable_Code_Point}\u2800]/u;

/** Reads a text that came from the database and comes back in a cursor: as it is, whatever it holds. */
export const storedText: Parse<string> = (value, argument) => {
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

/** Reads one of these words. */
export function oneOf(words: readonly string[]): Parse<string> {
  return (value, argument) => {
    if (!words.includes(value as string))
      throw badInput(argument, `${argument} must be one of ${words.join(', ')}`);
    return value as string;
  };
}

/** Reads an exact decimal, 0 or more, that a DECIMAL(16,4) holds. Answers its digits: never a float on the way. */
export const price: Parse<string> = (value, argument) => {
  if (typeof value !== 'string' || !/^\d{1,12}(\.\d{1,4})?$/.test(value.trim())) {
    throw badInput(
      argument,
      `${argument} must be a decimal such as "29.90", 0 or more, with at most 12 digits before and 4 after the point`,
    );
  }
  return value.trim();
};

/** Reads an IPv4 or IPv6 address, a CIDR block, or one of the vendor's words STATIC and DYNAMIC. */
export const ipAddress: Parse<string> = (value, argument) => {
  const trimmed = typeof value === 'string' ? value.trim() : '';
  if (trimmed === 'STATIC' || trimmed === 'DYNAMIC') return trimmed;
  if (!parseCidr(trimmed)) {
    throw badInput(argument, `${argument} must be an IPv4 or IPv6 address, a CIDR block, STATIC or DYNAMIC`);
  }
  return trimmed;
};

/** Lets a value be null, which removes what was there. */
export function nullable<T>(parse: Parse<T>): Parse<T | null> {
  return (value, argument) => (value === null ? null : parse(value, argument));
}

type Fields = Readonly<Record<string, Parse<unknown>>>;
/** What the fields of an input object are once they are read. */
export type Parsed<F extends Fields> = { -readonly [Name in keyof F]?: ReturnType<F[Name]> };

/**
 * Reads the fields of an input object that are given; one that is not given stays away. `argument` is the path to the object;
 * where there is none, its fields are the arguments.
 */
export function parseFields<F extends Fields>(fields: F, input: unknown, argument?: string): Parsed<F> {
  if (!isObject(input)) throw badInput(argument ?? 'body', `${argument ?? 'body'} is required`);
  const given = Object.entries(input).filter(([name, value]) => name in fields && value !== undefined);
  return Object.fromEntries(
    given.map(([name, value]) => [name, fields[name]!(value, pathTo(name, argument))]),
  ) as Parsed<F>;
}

/** Insists on fields that an input object cannot do without. */
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

/** Insists that an input object holds something. */
export function requireAnyField<T extends object>(input: T, argument: string): T {
  if (Object.keys(input).length === 0)
    throw badInput(argument, `${argument} must contain at least one field to change`);
  return input;
}

/** Takes a null for a value that is not given, as clients mean it that send every field of a form. */
export function withoutNulls(input: unknown): unknown {
  if (!isObject(input)) return input;
  return Object.fromEntries(Object.entries(input).filter(([, value]) => value !== null));
}

/** An input object that was written into the query has no prototype, so that `instanceof` does not know it. */
function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

function countCodePoints(value: string): number {
  let count = 0;
  for (const _ of value) count++;
  return count;
}
