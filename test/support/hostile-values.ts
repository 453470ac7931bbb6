import fc from 'fast-check';

const hostileTexts = [
  '',
  ' ',
  '\u0000',
  'a\u0000b',
  '\ud800',
  '\udfff\ud800',
  '\u202e\ufeff\u200b',
  'ﷺ'.repeat(200),
  '👩‍👩‍👧‍👦'.repeat(64),
  'é'.repeat(129),
  'x'.repeat(10_001),
  "'; DROP TABLE groups; --",
  '%_\\',
  '\\',
  '{}',
  '__proto__',
  'constructor',
  '${7*7}',
  '../../../etc/passwd',
  '1e309',
  '-0',
  '0x10',
  '99999999999999999999',
  '٣.٥',
  'NaN',
  '9.99999',
  '2026-02-30T00:00:00Z',
  '+275760-09-13T00:00:00.000Z',
  '0000-01-01T00:00:00Z',
  '2026-01-01',
  '::ffff:1.2.3.4/129',
  'eyJpZCI6MX0',
  Buffer.from('[null]').toString('base64url'),
  Buffer.from('["x",{"a":1}]').toString('base64url'),
];
const hostileNumbers = [0, -0, -1, 1, 0.5, 201, 2 ** 31 - 1, 2 ** 31, -(2 ** 31) - 1, 2 ** 53, 1e308, 5e-324];

/** Texts: hostile ones, any characters, and dates. */
export const anyText = fc.oneof(
  fc.constantFrom(...hostileTexts),
  fc.string({ unit: 'binary', maxLength: 300 }),
  fc.string({ unit: 'grapheme', maxLength: 300 }),
  fc.date({ noInvalidDate: true }).map((date) => date.toISOString()),
);
/** Numbers, with the limits of their representations. */
export const anyNumber = fc.oneof(
  fc.constantFrom(...hostileNumbers),
  fc.integer(),
  fc.double({ noNaN: true }),
);
/** Any JSON. */
export const anything = fc.oneof(
  anyText,
  anyNumber,
  fc.boolean(),
  fc.constant(null),
  fc.jsonValue({ maxDepth: 4 }),
  fc.array(anyNumber, { maxLength: 1100 }),
);
