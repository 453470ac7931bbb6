/** The maximum number of characters of a value in a message. */
const maxLength = 100;

/** Control characters, line separators, and characters that change the direction of the text after them. */
const unprintable = /[\p{Cc}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069]/gu;

/** Returns the beginning of a text for a message: at most 100 characters, without control characters. */
export function excerptOf(text: string): string {
  const characters = Array.from(text.toWellFormed().replace(unprintable, ''));
  return characters.length > maxLength ? `${characters.slice(0, maxLength).join('')}…` : characters.join('');
}

/** Returns a value for a message: texts in quotes, anything else as JSON, both shortened as by `excerptOf`. */
export function quoteValue(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(excerptOf(value));
  // NaN and Infinity have no JSON.
  return typeof value === 'number' ? String(value) : excerptOf(JSON.stringify(value) ?? 'nothing');
}
