/** A column of phone numbers. */
export type PhoneColumn = {
  readonly index: number;
  /** The text of the header; undefined in a file without one. */
  readonly header: string | undefined;
  /** The column with the type of the number in the same row, such as Google's `Phone 1 - Label`. */
  readonly labelIndex: number | undefined;
  /** True if the column is named just "number", so that its values may be row numbers. */
  readonly mayHaveRowNumbers: boolean;
};

// Headers are compared in the form of foldHeader(): in lower case, without diacritics, with Persian letters, split
// into words.

/** Words that mean a column of phone numbers. */
const phoneWord = new RegExp(
  [
    // Compounds of English and German: cellphone, phonenumber, mobiltelefon, telefonnummer, rufnummer …
    String.raw`^\w*phones?(?:numbers?|num|no|nr)?$`,
    String.raw`^\w*tele?fon(?:e|es|o|os|i|u|nummern?|nr|no|numarasi)?$`,
    String.raw`^(?:mobil|mobile|mobiles|cell|cells|cellular|handy)(?:numbers?|num|no|nr|nummern?)?$`,
    String.raw`^tel(?:no|nr|number|nummer)?$`,
    String.raw`^(?:rufnummern?|festnetz|msisdn|gsm|movil|celular|cellulare|telemovel|portable|callback)$`,
    // Russian, Persian and Arabic.
    '^(?:телефон|телефоны|мобильныи|сотовыи)$',
    '^(?:تلفن|تلفنها|تلفنهمراه|موبایل|موبایلها|هاتف|الهاتف|جوال|الجوال|محمول|المحمول|تلفون)$',
  ].join('|'),
  'u',
);

/**
 * Words that mean this next to a word for a number or a phone; in Persian "mobile", "handset" and "contact" also alone.
 * "Cep" is the Turkish word for a mobile, and the Brazilian one for a postal code.
 */
const phoneWordOfSome = /^(?:همراه|گوشی|تماس|contact|dial|caller|callee|destination|sim|cep)$/u;

/** Words for any kind of number: such a column has the phone numbers if the file has no other phone column. */
const numberWord = /^(?:numbers?|no|nr|nummern?|numero|numaras[iı]|شماره|شمارهها|شمارههای|رقم)$/u;

/** Words for devices without voice, which an autodialer does not call. */
const faxWord = /^(?:\w*fax\w*|فکس|نمابر|دورنگار)$/u;
const deviceWord = /^(?:pager|telex|isdn|tty|tdd|modem|horbehinderte|پیجر|تلکس|داخلی)$/u;

/** Words for attributes of a phone, as the last word of a header, or in Persian as the first one. */
const otherLastWord = new RegExp(
  '^(?:type|label|typ|art|kind|carrier|operator|provider|model|brand|os|imei|status|verified|valid|active|ids?|codes?' +
    String.raw`|\w*vorwahl|durchwahl|consent|opt|optin|optout|score|flag|permission` +
    '|prefix|ext|extn|extension|country|date|time|datum|names?|email|mail|address|notes?|comments?|price|cost|plan|owner|count)$',
);
const otherFirstWord =
  /^(?:پیش|پیششماره|نوع|برچسب|اپراتور|مدل|برند|وضعیت|کد|تاریخ|زمان|ساعت|نام|نتیجه|مدت|قیمت|مالک|تعداد|اخرین)$/u;
const ofWord = /^(?:of|de|du|del|der|des)$/;

type Kind = 'phone' | 'number' | 'fax';

/**
 * Finds the columns of phone numbers by the headers of a file: all with a word for a phone; otherwise those named
 * just "number"; otherwise those of faxes. Returns an empty list if no header matches.
 */
export function findPhoneColumns(headers: readonly string[]): readonly PhoneColumn[] {
  const kinds = headers.map(findKind);
  const kind = (['phone', 'number', 'fax'] as const).find((candidate) => kinds.includes(candidate));
  if (kind === undefined) return [];
  const findLabel = createLabelSearch(headers);
  return headers.flatMap((header, index) =>
    kinds[index] === kind
      ? [
          {
            index,
            header: header.trim(),
            labelIndex: findLabel(header),
            mayHaveRowNumbers: kind === 'number',
          },
        ]
      : [],
  );
}

/** Returns whether a label, such as Google's "Work Fax", means a device without voice. */
export function isFaxLabel(label: string): boolean {
  return readWords(label).some((word) => faxWord.test(word) || deviceWord.test(word));
}

function findKind(header: string): Kind | undefined {
  const words = namesIn(header);
  if (words.some((word) => deviceWord.test(word))) return undefined;
  if (words.some((word) => faxWord.test(word))) return 'fax';
  const isNumber = words.length > 0 && words.every((word) => numberWord.test(word));
  // "No" and "Nr" mean row numbers; "شماره" may, and so ranks below columns with a word for a phone.
  if (isNumber) return words.some((word) => word.length > 2) ? 'number' : undefined;
  const isNamed = words.some((word) => phoneWord.test(word));
  const ofSome = words.filter((word) => phoneWordOfSome.test(word)).length;
  const isNamedBySome =
    ofSome > 0 &&
    (words.some((word) => numberWord.test(word)) || /^(?:همراه|گوشی|تماس)$/u.test(words.join(' ')));
  if (!isNamed && !isNamedBySome) return undefined;
  const outsideBrackets = header.slice(0, maxHeaderLength).replace(/\([^)]*\)/g, '');
  return isAboutPhones(namesIn(outsideBrackets)) ? undefined : 'phone';
}

/** Returns whether a header names an attribute of a phone, such as its type, instead of the number. */
function isAboutPhones(words: readonly string[]): boolean {
  const phoneAt = words.findLastIndex((word) => phoneWord.test(word) || phoneWordOfSome.test(word));
  return (
    words.some((word, index) => index > phoneAt && otherLastWord.test(word)) ||
    (otherLastWord.test(words[0] ?? '') && words.some((word) => ofWord.test(word))) ||
    words.some((word, index) => index < phoneAt && otherFirstWord.test(word))
  );
}

/** Returns the words of a header without numbers. */
function namesIn(header: string): readonly string[] {
  return readWords(header).filter((word) => !/^\d+$/.test(word));
}

/**
 * Creates a search for the column whose header is that of a column of numbers but for its end: "Phone 1 - Type" next to
 * "Phone 1 - Value". It takes one pass over the headers, however many of them have a label.
 */
function createLabelSearch(headers: readonly string[]): (header: string) => number | undefined {
  const labels = new Map<string, number>();
  for (const [index, header] of headers.entries()) {
    const words = readWords(header);
    if (words.at(-1) !== 'label' && words.at(-1) !== 'type') continue;
    const name = words.slice(0, -1).join(' ');
    if (!labels.has(name)) labels.set(name, index);
  }
  return (header) => {
    const words = readWords(header);
    return words.at(-1) === 'value' ? labels.get(words.slice(0, -1).join(' ')) : undefined;
  };
}

/** Splits a header into words and numbers: `mobilePhone`, `mobile_phone` and "Mobile Phone" are alike. */
function readWords(header: string): readonly string[] {
  const words = header.slice(0, maxHeaderLength).replace(/(\p{Ll})(\p{Lu})/gu, '$1 $2');
  return foldHeader(words).match(/[\p{L}]+|\d+/gu) ?? [];
}

/** How much of a header or label is read, in UTF-16 units: some of the expressions take quadratic time. */
const maxHeaderLength = 200;

function foldHeader(header: string): string {
  return (
    header
      .normalize('NFKD')
      .toLowerCase()
      // A zero-width non-joiner separates words; other invisible characters do not.
      .replace(/\u200c/g, ' ')
      .replace(/[\p{Mn}\p{Cf}\u0640]/gu, '')
      .replace(/[يى]/g, 'ی')
      .replace(/ك/g, 'ک')
      .replace(/[ةە]/g, 'ه')
      .replace(/[۰-۹٠-٩]/g, (digit) => String(digit.charCodeAt(0) & 0xf))
  );
}
