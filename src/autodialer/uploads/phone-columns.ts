/** A column that holds phone numbers. */
export type PhoneColumn = {
  readonly index: number;
  /** As the header has it; undefined in a file without one. */
  readonly header: string | undefined;
  /** The column that says of what kind the number of the same row is, as Google's `Phone 1 - Label`. */
  readonly labelIndex: number | undefined;
};

// Headers are compared as foldHeader() writes them: in lower case, without diacritics, with Persian letters, split into words.

/** Words that say that a column holds phone numbers. */
const phoneWord = new RegExp(
  [
    // Compounds of English and German: cellphone, phonenumber, mobiltelefon, telefonnummer, rufnummer …
    String.raw`^\w*phones?(?:numbers?|num|no|nr)?$`,
    String.raw`^\w*tele?fon(?:e|es|o|os|i|u|nummern?|nr|no|numarasi)?$`,
    String.raw`^(?:mobil|mobile|mobiles|cell|cells|cellular|handy)(?:numbers?|num|no|nr|nummern?)?$`,
    String.raw`^tel(?:no|nr|number|nummer)?$`,
    String.raw`^(?:rufnummern?|festnetz|msisdn|gsm|movil|celular|cellulare|telemovel|portable|cep|callback)$`,
    // Russian, Persian and Arabic.
    '^(?:телефон|телефоны|мобильныи|сотовыи)$',
    '^(?:تلفن|تلفنها|تلفنهمراه|موبایل|موبایلها|هاتف|الهاتف|جوال|الجوال|محمول|المحمول|تلفون)$',
  ].join('|'),
  'u',
);

/** Words that say so alone, or next to a word for a number or a phone: in Persian "with oneself", "handset" and "contact". */
const phoneWordOfSome = /^(?:همراه|گوشی|تماس|contact|dial|caller|callee|destination|sim)$/u;

/** Words for a number of any kind: a column that is called so alone holds the phone numbers of a file that has no others. */
const numberWord = /^(?:numbers?|no|nr|nummern?|numero|شماره|شمارهها|شمارههای|رقم)$/u;

/** Words of devices that do not speak; an autodialer does not call them. */
const faxWord = /^(?:\w*fax\w*|فکس|نمابر|دورنگار)$/u;
const deviceWord = /^(?:pager|telex|isdn|tty|tdd|modem|horbehinderte|پیجر|تلکس|داخلی)$/u;

/** Words of what is known about a phone, where the last word, and in Persian the first one, says what a column holds. */
const otherLastWord = new RegExp(
  '^(?:type|label|typ|art|kind|carrier|operator|provider|model|brand|os|imei|status|verified|valid|active|ids?|codes?|vorwahl' +
    '|prefix|ext|extn|extension|country|date|time|datum|names?|email|mail|address|notes?|comments?|price|cost|plan|owner|count)$',
);
const otherFirstWord =
  /^(?:نوع|برچسب|اپراتور|مدل|برند|وضعیت|کد|تاریخ|زمان|ساعت|نام|نتیجه|مدت|قیمت|مالک|تعداد|اخرین)$/u;
const ofWord = /^(?:of|de|du|del|der|des)$/;

type Kind = 'phone' | 'number' | 'fax';

/**
 * Finds the columns of phone numbers by the headers of a file: all that are called a phone or a mobile; else those that are
 * called just "number"; else those of faxes. Returns none where no header says so.
 */
export function findPhoneColumns(headers: readonly string[]): readonly PhoneColumn[] {
  const kinds = headers.map(findKind);
  const kind = (['phone', 'number', 'fax'] as const).find((each) => kinds.includes(each));
  if (kind === undefined) return [];
  const findLabel = createLabelSearch(headers);
  return headers.flatMap((header, index) =>
    kinds[index] === kind ? [{ index, header: header.trim(), labelIndex: findLabel(header) }] : [],
  );
}

/** Whether a label, such as Google's "Work Fax", says that a number is of a device that does not speak. */
export function isFaxLabel(label: string): boolean {
  return readWords(label).some((word) => faxWord.test(word) || deviceWord.test(word));
}

function findKind(header: string): Kind | undefined {
  const words = namesIn(header);
  if (words.some((word) => deviceWord.test(word))) return undefined;
  if (words.some((word) => faxWord.test(word))) return 'fax';
  const isNumber = words.length > 0 && words.every((word) => numberWord.test(word));
  // "No" and "Nr" count rows; "شماره" may, which is why it comes after those that are called a phone.
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

/** Whether a header names what is known about a phone, such as its type, not the number. */
function isAboutPhones(words: readonly string[]): boolean {
  const phoneAt = words.findLastIndex((word) => phoneWord.test(word) || phoneWordOfSome.test(word));
  return (
    words.some((word, index) => index > phoneAt && otherLastWord.test(word)) ||
    (otherLastWord.test(words[0] ?? '') && words.some((word) => ofWord.test(word))) ||
    words.some((word, index) => index < phoneAt && otherFirstWord.test(word))
  );
}

/** The words of a header without its numbers. */
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
      // A zero-width non-joiner parts words, other invisible characters part nothing.
      .replace(/\u200c/g, ' ')
      .replace(/[\p{Mn}\p{Cf}\u0640]/gu, '')
      .replace(/[يى]/g, 'ی')
      .replace(/ك/g, 'ک')
      .replace(/[ةە]/g, 'ه')
      .replace(/[۰-۹٠-٩]/g, (digit) => String(digit.charCodeAt(0) & 0xf))
  );
}
