import { numberPattern } from '../number-groups/number-group.ts';

/** Longer than any formatted number. Also bounds the run time of the regular expressions below. */
const maxWrittenLength = 200;
/** Longer than any text with several numbers. */
const maxTextLength = 10_000;
/** A number that is complete by itself, with its area: fewer digits may be a part of one. */
const minCompleteDigits = 8;
/** The digits of the longest number of the world, 15, after an international prefix such as `00`. */
const maxCompleteDigits = 17;

/** Several complete numbers without a separator. */
const joinedByPlus = new RegExp(String.raw`\d{${minCompleteDigits}}\+`);
const separators = String.raw`\s()[\]{}<>.·/\\_\p{Pd}\u2212`;
const separator = new RegExp(`[${separators}]`, 'gu');
const innerSeparator = new RegExp(String.raw`[+\d*#][${separators}]+[+\d*#]`, 'u');
const pauses = ',;،؛';
/** The start of a suffix that is dialled after the call is answered, or of a parameter of a `tel:` URI. */
const pauseOrParameter = new RegExp(`^[${pauses}]`);
const extension = new RegExp(
  String.raw`^(?:extension|extn?|x|p|w|داخلی|داخلي)[\s.:=()\-]*\d[\d*#,;xpw\s()\-]*$`,
  'iu',
);
const beforeSuffix = new RegExp(String.raw`^([^${pauses}\p{L}]*)(.*)$`, 'su');

/** The pattern of accepted phone numbers in a JSON string, for the OpenAPI document. */
export const writtenNumberPattern = (() => {
  const around = String.raw`[\s\p{Cf}()\[\]{}<>.·\/\\_\p{Pd}\u2212]*`;
  const suffix = String.raw`[${pauses}].*|([eE][xX][tT](n|ension)?|[xXpPwW]|داخلی|داخلي)[^\p{L}]*\d[^\p{L}]*`;
  return String.raw`^${around}(tel:)?'?${around}([+0-9*#۰-۹٠-٩]${around}){1,32}(${suffix})?$`;
})();

/** Why a text is not a phone number. */
export type PhoneProblem = {
  readonly message: string;
  /** True if a spreadsheet has converted the number to another format, or several numbers are joined. */
  readonly isDamaged: boolean;
};

/**
 * Parses a formatted phone number, and appends it to `numbers` as digits with `+`, `*` and `#`. Removes blanks,
 * brackets, dots, dashes, slashes, invisible characters, Excel's text markers, and an extension or a pause with all
 * that follows. Appends every number of a text with several complete numbers, and none for a text of removed
 * characters only. Returns the problem if the text is not a phone number, and appends nothing.
 */
export function appendPhoneNumbers(written: string, numbers: string[]): PhoneProblem | undefined {
  if (numberPattern.test(written) && !joinedByPlus.test(written)) {
    numbers.push(written);
    return undefined;
  }
  if (written.length > maxTextLength) return notANumber(written);
  const count = numbers.length;
  for (const piece of written.split(/:::|[\r\n\u2028\u2029]+/)) {
    const problem = appendPiece(piece, numbers);
    if (!problem) continue;
    numbers.length = count;
    return problem;
  }
  return undefined;
}

/**
 * Like `appendPhoneNumbers`, for a cell of a spreadsheet: three or more `#` are what it prints instead of a number in a
 * narrow column.
 */
export function appendCellNumbers(cell: string, numbers: string[]): PhoneProblem | undefined {
  if (/^\s*#{3,}\s*$/.test(cell))
    return damaged(
      cell.trim(),
      'a spreadsheet, such as Excel, has written it for a column that is too narrow',
    );
  return appendPhoneNumbers(cell, numbers);
}

function appendPiece(written: string, numbers: string[]): PhoneProblem | undefined {
  const text = plainText(written);
  if (text === '') return undefined;
  if (text.length > maxWrittenLength) return notANumber(written);
  if (/^[+-]?\d+(?:[.,٫]\d+)?e[+-]?\d+$/i.test(text))
    return damaged(written, 'a spreadsheet, such as Excel, has shortened it, and its last digits are lost');
  if (/^\d{1,3}(?:,\d{3}){2,}$/.test(text))
    return damaged(written, 'a spreadsheet, such as Excel, has written it as an amount');
  if (/^[1-9]\d{6,}[.٫]\d+$/.test(text))
    return damaged(written, 'a spreadsheet, such as Excel, has written it with decimals');
  for (const part of splitNumbers(text)) {
    const formatted = withoutSuffix(part);
    const number = formatted?.replace(separator, '');
    if (number === '' && formatted === part) continue;
    if (number === undefined || !/^[+\d*#]+$/.test(number)) return notANumber(written);
    if (countDigits(number) > maxCompleteDigits && innerSeparator.test(formatted!))
      return tooManyDigits(written);
    if (!numberPattern.test(number)) return notANumber(written);
    numbers.push(number);
  }
  return undefined;
}

function damaged(written: string, how: string): PhoneProblem {
  const advice =
    'Format the column of the numbers as text there, enter the numbers again, and save the file anew';
  return { message: `${quote(written)} is not a phone number: ${how}. ${advice}`, isDamaged: true };
}

function notANumber(written: string): PhoneProblem {
  const rule = 'which has 1 to 32 of the characters + 0-9 * #';
  return { message: `${quote(written)} is not a phone number, ${rule}`, isDamaged: false };
}

function tooManyDigits(written: string): PhoneProblem {
  const advice = 'Separate several numbers by line breaks, or write each in its own cell';
  const message = `${quote(written)} has too many digits for a formatted phone number. ${advice}`;
  return { message, isDamaged: true };
}

function quote(written: string): string {
  return JSON.stringify(Array.from(written.slice(0, 200)).slice(0, 40).join(''));
}

/** Removes the markers of a text or a URI, and converts Persian and Arabic-Indic digits to ASCII. */
function plainText(written: string): string {
  const text = written
    .replace(/\p{Cf}/gu, '')
    .replace(/[۰-۹٠-٩]/g, (digit) => String(digit.charCodeAt(0) & 0xf))
    .trim()
    // Excel's formula for a text, and the apostrophe that marks a cell as text.
    .replace(/^="(.*)"$/s, '$1')
    .replace(/^['’‘`´]/, '')
    .replace(/^tel:/i, '')
    .trim();
  // A number that a program has converted to a float.
  return text.replace(/^(?:(\d{6,})\.0|([1-9]\d{5,})[.٫]0+)$/, '$1$2');
}

/** Removes an extension or a pause with all that follows, and a trunk prefix; undefined if other text follows. */
function withoutSuffix(text: string): string | undefined {
  const [, before, suffix] = beforeSuffix.exec(text)!;
  if (suffix !== '' && !pauseOrParameter.test(suffix!) && !extension.test(suffix!)) return undefined;
  // "+49 (0)711 …": the trunk prefix is dialled only without the country code.
  return before!.replace(/^(\s*(?:\+|00)\s*\d{1,3}\s*)\(0\)/, '$1');
}

/**
 * Dividers between complete numbers in one text, each with a test of the parts. Those that are also separators within a
 * number require that each following part starts like a number.
 */
const dividers: readonly (readonly [divider: RegExp, areNumbers: (parts: readonly string[]) => boolean])[] = [
  [/\s*[|/]\s*/, () => true],
  [/\s*[,;،؛]\s*/, startLikeNumbers],
  [/\s*[,;،؛]\s*/, areAlike],
  [/\s+[\p{Pd}\u2212]\s+/u, startLikeNumbers],
  [/\s+(?:و|or|und|and|&)\s+/i, startLikeNumbers],
  [/(?=\+)/, startLikeNumbers],
  [/\s+/, startLikeNumbers],
  [/\s*[\p{Pd}\u2212_\\]+\s*/u, startLikeNumbers],
];

/**
 * Splits a text with several complete numbers, which would otherwise be joined to one wrong number, or be lost except
 * for one.
 */
function splitNumbers(text: string): readonly string[] {
  // Fast path: most texts are too short for two numbers.
  if (text.length < 2 * minCompleteDigits) return [text];
  for (const [divider, areNumbers] of dividers) {
    const parts = text.split(divider);
    if (parts.length > 1 && parts.every(isComplete) && areNumbers(parts)) return parts;
  }
  return [text];
}

function isComplete(text: string): boolean {
  return countDigits(text) >= minCompleteDigits;
}

function startLikeNumbers(parts: readonly string[]): boolean {
  return parts.slice(1).every((part) => /^[+0]/.test(part));
}

/** Returns whether the parts are digits of the same length: what is dialled after a pause is shorter. */
function areAlike(parts: readonly string[]): boolean {
  return parts.every((part) => /^\d+$/.test(part) && part.length === parts[0]!.length);
}

function countDigits(text: string): number {
  return text.replace(/\D/g, '').length;
}
