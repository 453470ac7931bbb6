import ICAL from 'ical.js';
import { badLine, countSkip, type NumberReader, type SkipCounts } from './number-reader.ts';
import { isFaxLabel } from './phone-columns.ts';
import { appendPhoneNumbers } from './phone-number.ts';

/** The maximum length of a property with several lines. */
const maxPropertyLength = 10_000;

const maxCardDepth = 10;

/** A property that may continue on the next line. */
type Property = { text: string; readonly line: number; readonly isTelephone: boolean };

/**
 * Reads the telephone numbers of vCards, which may mix the versions 2.1, 3.0 and 4.0. A card may have any number of
 * telephones. Omits faxes and pagers, and counts skipped properties in `skips`.
 * @see https://www.rfc-editor.org/rfc/rfc6350, https://www.rfc-editor.org/rfc/rfc2426, and for 2.1 the Versit
 * Consortium's
 */
export function createVcardReader(skips: SkipCounts): NumberReader {
  /** The first lines of open cards: version 2.1 allows nested cards. */
  const openedAt: number[] = [];
  let property: Property | undefined;

  const readProperty = (): readonly string[] => {
    if (!property) return [];
    const { text, line, isTelephone } = property;
    property = undefined;
    if (/^\ufeff?BEGIN:VCARD\s*$/i.test(text)) openedAt.push(line);
    if (openedAt.length > maxCardDepth) throw badLine(line, 'it is a card within too many others');
    if (openedAt.length === 0 && text.trim() !== '') throw badLine(line, 'it is outside of a vCard');
    if (/^END:VCARD\s*$/i.test(text)) openedAt.pop();
    if (!isTelephone) return [];
    const { value, types } = readTelephone(text, line);
    if (types.some(isFaxLabel) && !types.some((type) => /^(?:voice|cell)$/i.test(type))) {
      countSkip(skips, 'faxNumbers');
      return [];
    }
    const numbers: string[] = [];
    const problem = appendPhoneNumbers(value, numbers);
    if (problem) throw badLine(line, problem.message);
    if (numbers.length === 0) countSkip(skips, 'emptyPhones');
    return numbers;
  };

  const readLine = (line: string, lineNumber: number): readonly string[] => {
    if (property && (/^[ \t]/.test(line) || isSoftBroken(property.text))) {
      const isFolded = /^[ \t]/.test(line) && !isSoftBroken(property.text);
      // Only the end of other properties matters: a picture may have a million lines.
      const before = property.isTelephone ? property.text.replace(/=$/, '') : headOf(property.text);
      property.text = before + (isFolded ? line.slice(1) : line);
      if (property.isTelephone && property.text.length > maxPropertyLength)
        throw badLine(property.line, `it has more than ${maxPropertyLength} characters`);
      return [];
    }
    const numbers = readProperty();
    property = { text: line, line: lineNumber, isTelephone: /^([\w-]+\.)?TEL[;:]/i.test(line) };
    return numbers;
  };

  return {
    readLines: (lines, firstLineNumber) =>
      lines.flatMap((line, index) => readLine(line, firstLineNumber + index)),

    end() {
      const numbers = readProperty();
      if (openedAt.length > 0) throw badLine(openedAt.at(-1)!, 'the card that begins here does not end');
      return numbers;
    },
  };
}

/** In version 2.1, a `=` at the end of a line of quoted-printable text continues it. */
function isSoftBroken(text: string): boolean {
  return text.endsWith('=') && /QUOTED-PRINTABLE/i.test(headOf(text));
}

function headOf(text: string): string {
  return text.slice(0, text.indexOf(':') + 1);
}

/** The text of a number, and its types. */
type Telephone = { readonly value: string; readonly types: readonly string[] };

function readTelephone(text: string, line: number): Telephone {
  const { head, types, value } = splitTelephone(text, line);
  let property: ReturnType<typeof ICAL.parse.property>;
  try {
    property = ICAL.parse.property(`TEL${head}:${value}`, ICAL.design.vcard3);
  } catch {
    throw badLine(line, 'it is not a property of a vCard');
  }
  const namedTypes = [(property[1] as Record<string, string | string[]>)['type'] ?? []].flat();
  const isQuotedPrintable = /QUOTED-PRINTABLE/i.test(headOf(text));
  return {
    // The library removes all backslashes from telephone numbers, also one between two numbers.
    value: unescapeText(isQuotedPrintable ? decodeQuotedPrintable(value) : value),
    types: [...types, ...namedTypes.flatMap((type) => type.split(','))],
  };
}

/**
 * Splits a property into its parameters `NAME=value`, its types and its value. Version 2.1 has types without a name,
 * as in `TEL;CELL;PREF:…`, and phones of Samsung and Nokia write parameters that no version defines, as in
 * `TEL;X-CUSTOM(CHARSET=UTF-8,ENCODING=QUOTED-PRINTABLE,=D9=81):…`.
 */
function splitTelephone(text: string, line: number): Telephone & { readonly head: string } {
  const [, parameters, value] = /^[^;:]*((?:;(?:"[^"]*"|[^":])*)?):(.*)$/s.exec(text) ?? [];
  if (parameters === undefined || value === undefined) throw badLine(line, 'it is not a property of a vCard');
  const parts = parameters.match(/(?:"[^"]*"|[^";])+/g) ?? [];
  return {
    head: parts.map((part) => (/^[\w-]+=/.test(part) ? `;${part}` : '')).join(''),
    types: parts.filter((part) => /^[\w-]+$/.test(part)),
    value,
  };
}

/** @see https://www.rfc-editor.org/rfc/rfc6350#section-3.4 */
function unescapeText(text: string): string {
  return text.replace(/\\([,;:\\n])/gi, (_, character: string) => (/n/i.test(character) ? '\n' : character));
}

function decodeQuotedPrintable(text: string): string {
  const bytes = text.replace(/=([\dA-F]{2})/gi, (_, digits: string) =>
    String.fromCharCode(parseInt(digits, 16)),
  );
  return isBinary(bytes) ? Buffer.from(bytes, 'latin1').toString('utf8') : bytes;
}

function isBinary(text: string): boolean {
  return !/[^\0-\xff]/.test(text);
}
