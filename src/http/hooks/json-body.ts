import { Tokenizer, TokenType } from '@streamparser/json';
import type { FastifyInstance } from 'fastify';
import { AppError, badInput } from '../../errors.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Accepts a JSON request without a body. */
    isBodyOptional?: boolean;
  }
}

/** Accepts JSON bodies in UTF-8 only. Rejecting form content types forces a CORS preflight and so prevents CSRF. */
export function acceptOnlyJson(http: FastifyInstance): void {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  // Fastify's parser rejects keys such as `__proto__` (prototype pollution).
  const parseJson = http.getDefaultJsonParser('error', 'error');

  http.removeAllContentTypeParsers();
  http.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, body, done) => {
    const { summary } = request;
    summary.receiveMs = performance.now() - summary.startedAt;
    if (body.length === 0 && request.routeOptions.config.isBodyOptional) {
      done(null, undefined);
      return;
    }
    let text: string;
    try {
      text = decoder.decode(body as Buffer);
    } catch {
      done(new AppError('BAD_REQUEST', 'The body is not valid UTF-8'));
      return;
    }
    const valueCount = text.length > maxValues ? countValues(text) : 0;
    if (valueCount > maxValues) {
      done(
        new AppError(
          'PAYLOAD_TOO_LARGE',
          `The body has ${valueCount} keys and values; ${maxValues} are allowed. Split it into several requests`,
        ),
      );
      return;
    }
    void parseJson(request, text, (error, value: unknown) => {
      if (error) {
        done(new AppError('BAD_REQUEST', text === '' ? 'The body is empty' : 'The body is not valid JSON'));
        return;
      }
      try {
        requireUniqueKeys(text, value);
      } catch (invalid) {
        done(invalid as AppError);
        return;
      }
      done(null, value);
    });
  });

  // After authentication and authorization.
  http.addHook('preParsing', ({ headers }, _reply, _payload, done) => {
    const encoding = headers['content-encoding'] ?? 'identity';
    if (encoding === 'identity') done();
    else done(new AppError('UNSUPPORTED_MEDIA_TYPE', 'Send the body as it is, without a Content-Encoding'));
  });
}

/**
 * The maximum number of keys and values in a body, many times those of the largest request. Half a million of them fit
 * into a body, and their parsing and coercion would block all other requests for a tenth of a second.
 */
const maxValues = 20_000;

/** Counts the keys of objects, their values, and the entries of lists; an empty object or list counts as two. */
function countValues(text: string): number {
  let count = 1;
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if (code === comma || code === colon || code === bracket || code === brace) count++;
    else if (code === quote) index = findEndOfString(text, index);
  }
  return count;
}

/** The maximum length of a text in which a repeated key is searched: for longer ones it takes too long. */
const maxSearchedLength = 100_000;

/**
 * Rejects JSON with duplicate keys in an object, even if one of them is written with escapes: parsers disagree on which
 * value counts, so a proxy may have checked the other one.
 * @param text valid JSON
 * @param value the result of `JSON.parse`
 * @throws AppError BAD_USER_INPUT with the path to the key
 */
export function requireUniqueKeys(text: string, value: unknown): void {
  // Each key has one colon, and JSON.parse keeps one of several equal keys. Comparing the counts takes microseconds.
  if (countColons(text) === countKeys(value)) return;
  if (text.length > maxSearchedLength)
    throw badInput('body', 'A key is repeated in an object of the body. Send each key once');
  const path = findRepeatedKey(text);
  throw badInput(path, `${path} must not be repeated`);
}

/** Counts the colons outside strings. */
function countColons(text: string): number {
  let count = 0;
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if (code === colon) count++;
    else if (code === quote) index = findEndOfString(text, index);
  }
  return count;
}

const comma = 0x2c;
const colon = 0x3a;
const bracket = 0x5b;
const brace = 0x7b;
const quote = 0x22;
const backslash = 0x5c;

/** Returns the index of the quote that ends a string. */
function findEndOfString(text: string, start: number): number {
  for (let end = text.indexOf('"', start + 1); end !== -1; end = text.indexOf('"', end + 1)) {
    let backslashes = 0;
    while (text.charCodeAt(end - 1 - backslashes) === backslash) backslashes++;
    if (backslashes % 2 === 0) return end;
  }
  return text.length;
}

/** Counts the keys of all objects in a value. Iterative, since deeply nested JSON would overflow the stack. */
function countKeys(value: unknown): number {
  let count = 0;
  const remaining = [value];
  while (remaining.length > 0) {
    const next = remaining.pop();
    if (typeof next !== 'object' || next === null) continue;
    const isList = Array.isArray(next);
    const children: unknown[] = isList ? next : Object.values(next);
    if (!isList) count += children.length;
    for (const child of children) if (typeof child === 'object') remaining.push(child);
  }
  return count;
}

type Level = { readonly keys: Set<string> | undefined; key: string };

function findRepeatedKey(text: string): string {
  const levels: Level[] = [];
  let lastString = '';
  let repeated: string | undefined;
  const tokenizer = new Tokenizer();
  tokenizer.onToken = ({ token, value }) => {
    if (token === TokenType.STRING) lastString = value as string;
    else if (token === TokenType.LEFT_BRACE) levels.push({ keys: new Set(), key: '' });
    else if (token === TokenType.LEFT_BRACKET) levels.push({ keys: undefined, key: '' });
    else if (token === TokenType.RIGHT_BRACE || token === TokenType.RIGHT_BRACKET) levels.pop();
    else if (token === TokenType.COLON) {
      const level = levels.at(-1)!;
      level.key = lastString;
      if (level.keys?.has(lastString)) repeated ??= pathTo(levels);
      level.keys?.add(lastString);
    }
  };
  tokenizer.write(text);
  return repeated ?? 'body';
}

/** Returns the path of the current key, as in `variables.group.price`, truncated for the message. */
function pathTo(levels: readonly Level[]): string {
  const keys = levels.filter(({ keys: own }) => own !== undefined).map(({ key }) => key);
  return keys.slice(-maxPathKeys).join('.').slice(0, maxPathLength);
}

const maxPathKeys = 10;
const maxPathLength = 200;
