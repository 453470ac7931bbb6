import ICAL from 'ical.js';
import { badLine, parseNumberInLine, type NumberReader } from './number-reader.ts';

/** How long a property may be whose value goes over several lines. */
const maxPropertyLength = 10_000;

const maxCardDepth = 10;

/** A property that may go on in the next line. */
type Property = { text: string; readonly line: number; readonly isTelephone: boolean };

/**
 * Reads the telephone numbers of vCards, of which versions 2.1, 3.0 and 4.0 may be mixed; a card may have several numbers, or none.
 * @see https://www.rfc-editor.org/rfc/rfc6350, https://www.rfc-editor.org/rfc/rfc2426, and for 2.1 the Versit Consortium's
 */
export function createVcardReader(): NumberReader {
  /** Where the cards began that have not ended: version 2.1 has cards within cards. */
  const openedAt: number[] = [];
  let property: Property | undefined;

  const readProperty = (): readonly string[] => {
    if (!property) return [];
    const { text, line, isTelephone } = property;
    property = undefined;
    if (/^BEGIN:VCARD\s*$/i.test(text)) openedAt.push(line);
    if (openedAt.length > maxCardDepth) throw badLine(line, 'it is a card within too many others');
    if (openedAt.length === 0 && text.trim() !== '') throw badLine(line, 'it is outside of a vCard');
    if (/^END:VCARD\s*$/i.test(text)) openedAt.pop();
    if (!isTelephone) return [];
    const written = readTelephone(text, line);
    return [parseNumberInLine(plainNumber(written), line, written)];
  };

  const readLine = (line: string, lineNumber: number): readonly string[] => {
    if (property && (/^[ \t]/.test(line) || isSoftBroken(property.text))) {
      const isFolded = /^[ \t]/.test(line) && !isSoftBroken(property.text);
      // Of what is no number only the end is of interest: a picture may have a million lines.
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

/** Version 2.1 breaks lines of quoted-printable text by a `=` at their end. */
function isSoftBroken(text: string): boolean {
  return text.endsWith('=') && /QUOTED-PRINTABLE/i.test(headOf(text));
}

function headOf(text: string): string {
  return text.slice(0, text.indexOf(':') + 1);
}

/** Reads the value of a `TEL` property. */
function readTelephone(text: string, line: number): string {
  let property: ReturnType<typeof ICAL.parse.property>;
  try {
    property = ICAL.parse.property(nameParameters(text), ICAL.design.vcard3);
  } catch {
    throw badLine(line, 'it is not a property of a vCard');
  }
  const isQuotedPrintable = /QUOTED-PRINTABLE/i.test(headOf(text));
  return isQuotedPrintable ? decodeQuotedPrintable(String(property[3])) : String(property[3]);
}

/** Takes off what people write beside a number. https://www.rfc-editor.org/rfc/rfc3966#section-3: visual separators, and parameters behind it. */
function plainNumber(value: string): string {
  return value
    .replace(/^tel:/i, '')
    .replace(/;.*$/, '')
    .replace(/[\s\p{Cf}().-]/gu, '');
}

/** Version 2.1 writes `TEL;CELL;PREF:…` where the later ones write `TEL;TYPE=CELL;TYPE=PREF:…`. */
function nameParameters(text: string): string {
  const head = /^[^":]*:/.exec(text)?.[0] ?? '';
  return head.replace(/;([\w-]+)(?=[;:])/g, ';TYPE=$1') + text.slice(head.length);
}

function decodeQuotedPrintable(text: string): string {
  return text.replace(/=([\dA-F]{2})/gi, (_, digits: string) => String.fromCharCode(parseInt(digits, 16)));
}
