import { numberPattern } from '../number-groups/number-group.ts';

/** Longer than any number with what is written around it; it also bounds the time of the expressions below. */
const maxWrittenLength = 200;
/** Longer than any text with several numbers. */
const maxTextLength = 10_000;
/** A number that is complete by itself, with its area: fewer digits may be a part of one. */
const minCompleteDigits = 8;

const separators = String.raw`\s()[\]{}<>.·/\\_\p{Pd}\u2212`;
const separator = new RegExp(`[${separators}]`, 'gu');
const pauses = ',;،؛';
/** What is left of a number from here on is dialled after the call is answered, or is a parameter of a `tel:` URI. */
const pauseOrParameter = new RegExp(`^[${pauses}]`);
const extension = new RegExp(
  String.raw`^(?:extension|extn?|x|p|w|داخلی|داخلي)[\s.:=()\-]*\d[\d*#,;xpw\s()\-]*$`,
  'iu',
);
const beforeSuffix = new RegExp(String.raw`^([^${pauses}\p{L}]*)(.*)$`, 'su');

/** What a phone number may look like in a JSON string, for the API's document. */
export const writtenNumberPattern = (() => {
  const around = String.raw`[\s\p{Cf}()\[\]{}<>.·\/\\_\p{Pd}\u2212]*`;
  const suffix = String.raw`[${pauses}].*|([eE][xX][tT](n|ension)?|[xXpPwW]|داخلی|داخلي)[^\p{L}]*\d[^\p{L}]*`;
  return String.raw`^${around}(tel:)?'?${around}([+0-9*#۰-۹٠-٩]${around}){1,32}(${suffix})?$`;
})();

/** Why a text is not a phone number. */
export type PhoneProblem = {
  readonly message: string;
  /** It was a number, of which a spreadsheet has left something else. */
  readonly isDamaged: boolean;
};

/**
 * Reads what people and exports write for a phone number, and appends the number that is meant to `numbers`: digits with
 * `+`, `*` and `#`. Removes blanks, brackets, dots, dashes, slashes, invisible characters, the marks of Excel for a text, and an
 * extension or a pause with what follows it. A text that clearly holds several complete numbers appends each of them; one that
 * holds nothing but what is removed appends none. Returns what is wrong where it is not a phone number, and
 * appends nothing then.
 */
export function appendPhoneNumbers(written: string, numbers: string[]): PhoneProblem | undefined {
  if (numberPattern.test(written)) {
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

function appendPiece(written: string, numbers: string[]): PhoneProblem | undefined {
  const text = plainText(written);
  if (text === '') return undefined;
  if (text.length > maxWrittenLength) return notANumber(written);
  if (/^[+-]?\d+(?:[.,٫]\d+)?e[+-]?\d+$/i.test(text))
    return damaged(written, 'a spreadsheet, such as Excel, has shortened it, and its last digits are lost');
  if (/^\d{1,3}(?:,\d{3}){2,}$/.test(text))
    return damaged(written, 'a spreadsheet, such as Excel, has written it as an amount');
  for (const part of splitNumbers(text)) {
    const number = plainNumber(part);
    if (number === undefined) return notANumber(written);
    if (number !== '') numbers.push(number);
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

function quote(written: string): string {
  return JSON.stringify(Array.from(written.slice(0, 200)).slice(0, 40).join(''));
}

/** Takes off what marks a text or a URI, and turns Persian and Arabic-Indic digits into ASCII ones. */
function plainText(written: string): string {
  const text = written
    .replace(/\p{Cf}/gu, '')
    .replace(/[۰-۹٠-٩]/g, (digit) => String(digit.charCodeAt(0) & 0xf))
    .trim()
    // Excel's formula for a text, and the apostrophe that makes a cell of a spreadsheet a text.
    .replace(/^="(.*)"$/s, '$1')
    .replace(/^['’‘`´]/, '')
    .replace(/^tel:/i, '')
    .trim();
  // A number that a program took for a float.
  return text.replace(/^(\d{6,})\.0$/, '$1');
}

/** The number without what is around it: empty where nothing is left, undefined where it is none. */
function plainNumber(text: string): string | undefined {
  const [, before, suffix] = beforeSuffix.exec(text)!;
  if (suffix !== '' && !pauseOrParameter.test(suffix!) && !extension.test(suffix!)) return undefined;
  // "+49 (0)711 …": the trunk prefix is dialled only without the country code.
  const number = before!.replace(/^(\s*(?:\+|00)\s*\d{1,3}\s*)\(0\)/, '$1').replace(separator, '');
  if (number === '' && suffix === '') return '';
  return numberPattern.test(number) ? number : undefined;
}

/** Between complete numbers in one text, each with what the numbers after it must begin with. */
const dividers: readonly (readonly [divider: RegExp, next: RegExp])[] = [
  [/\s*[|/]\s*/, /^/],
  [/\s*[,;،؛]\s*/, /^[+0]/],
  [/\s+[\p{Pd}\u2212]\s+/u, /^[+0]/],
  [/\s+(?:و|or|und|and|&)\s+/i, /^[+0]/],
  [/\s+(?=\+\d)/, /^\+/],
  [/\s+/, /^[+0]/],
];

/** Splits a text that holds several complete numbers: without that they would become one wrong number, or all but one be lost. */
function splitNumbers(text: string): readonly string[] {
  // Most texts are too short for two.
  if (text.length < 2 * minCompleteDigits) return [text];
  for (const [divider, next] of dividers) {
    const parts = text.split(divider);
    if (
      parts.length > 1 &&
      parts.every((part, index) => isComplete(part) && (index === 0 || next.test(part)))
    )
      return parts;
  }
  return [text];
}

function isComplete(text: string): boolean {
  return text.replace(/\D/g, '').length >= minCompleteDigits;
}
