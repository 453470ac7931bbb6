import { createHash } from 'node:crypto';
import { Tokenizer, TokenType } from '@streamparser/json';
import { AppError, badInput } from '../../errors.ts';
import { appendPhoneNumbers } from './phone-number.ts';

/** What a body holds beside its numbers, which were handed on. */
export type NumbersBody = {
  readonly fields: Readonly<Record<string, unknown>>;
  /** Tells lists of numbers apart; none where the body has no list. */
  readonly numbersDigest: string | undefined;
};

/** How long a name or a value may be, in bytes, beside which nothing is held in memory. */
const maxTokenBytes = 65_536;
const maxFields = 20;

/**
 * Reads a JSON object whose values are plain, but for a list `numbers`, each of which is handed to `add` as it comes in: a
 * million of them are never in memory.
 * @throws AppError BAD_REQUEST where it is no such JSON; BAD_USER_INPUT that names the field; and whatever `add` throws.
 */
export async function readNumbersBody(
  bytes: AsyncIterable<Buffer>,
  add: (number: string) => Promise<void>,
): Promise<NumbersBody> {
  const fields = new Map<string, unknown>();
  const digest = createHash('sha256');
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let arrived: string[] = [];
  let entry = 0;
  let key = '';
  let lastTokenAt = 0;
  let bytesRead = 0;
  let next: (token: TokenType, value: unknown) => void = expectBody;

  const tokenizer = new Tokenizer();
  tokenizer.onToken = ({ token, value, offset }) => {
    lastTokenAt = offset;
    next(token, value);
  };
  const parse = (step: () => void) => {
    try {
      step();
    } catch (error) {
      throw error instanceof AppError ? error : unreadable();
    }
  };

  for await (const chunk of bytes) {
    parse(() => {
      decoder.decode(chunk, { stream: true });
      tokenizer.write(chunk);
    });
    bytesRead += chunk.length;
    if (bytesRead - lastTokenAt > maxTokenBytes + chunk.length)
      throw badInput(key || 'body', `${key || 'body'} must have at most ${maxTokenBytes} bytes`);
    if (arrived.length > 0) digest.update(`${arrived.join('\n')}\n`);
    for (const number of arrived) await add(number);
    arrived = [];
  }
  parse(() => {
    decoder.decode();
    if (!tokenizer.isEnded) tokenizer.end();
  });
  if (next !== expectNothing) throw unreadable();
  return {
    fields: Object.fromEntries(fields),
    numbersDigest: fields.has('numbers') ? digest.digest('base64url') : undefined,
  };

  // Where in the object the parser is: each function takes the next token, and says which one takes the one behind it.
  function expectBody(token: TokenType) {
    next = requireToken(token === TokenType.LEFT_BRACE, expectFirstKey);
  }
  function expectFirstKey(token: TokenType, value: unknown) {
    if (token === TokenType.RIGHT_BRACE) next = expectNothing;
    else expectKey(token, value);
  }
  function expectKey(token: TokenType, value: unknown) {
    key = value as string;
    next = requireToken(token === TokenType.STRING, expectColon);
    if (fields.has(key)) throw badInput(key, `${key} must be given once`);
    if (fields.size === maxFields) throw badInput('body', `body must have at most ${maxFields} fields`);
  }
  function expectColon(token: TokenType) {
    next = requireToken(token === TokenType.COLON, expectValue);
  }
  function expectValue(token: TokenType, value: unknown) {
    if (key === 'numbers') {
      if (token !== TokenType.LEFT_BRACKET) throw badInput(key, 'numbers must be a list of strings');
      fields.set(key, undefined);
      next = expectFirstNumber;
      return;
    }
    if (token === TokenType.LEFT_BRACE || token === TokenType.LEFT_BRACKET)
      throw badInput(key, `${key} must be a string`);
    fields.set(key, value);
    next = requireToken(isPlain(token), expectComma);
  }
  function expectComma(token: TokenType) {
    if (token === TokenType.RIGHT_BRACE) next = expectNothing;
    else next = requireToken(token === TokenType.COMMA, expectKey);
  }
  function expectFirstNumber(token: TokenType, value: unknown) {
    if (token === TokenType.RIGHT_BRACKET) next = expectComma;
    else expectNumber(token, value);
  }
  function expectNumber(token: TokenType, value: unknown) {
    entry++;
    if (token === TokenType.COMMA || token === TokenType.RIGHT_BRACKET) throw unreadable();
    const before = arrived.length;
    const problem = token === TokenType.STRING ? appendPhoneNumbers(value as string, arrived) : undefined;
    if (problem?.isDamaged) throw badInput('numbers', `value ${entry}: ${problem.message}`);
    if (problem || arrived.length === before)
      throw badInput('numbers', `value ${entry} must be a string of 1 to 32 of the characters + 0-9 * #`);
    next = expectNumberComma;
  }
  function expectNumberComma(token: TokenType) {
    if (token === TokenType.RIGHT_BRACKET) next = expectComma;
    else next = requireToken(token === TokenType.COMMA, expectNumber);
  }
  function expectNothing() {
    throw unreadable();
  }
}

function requireToken<T>(isExpected: boolean, next: T): T {
  if (!isExpected) throw unreadable();
  return next;
}

const plainTokens: readonly TokenType[] = [
  TokenType.STRING,
  TokenType.NUMBER,
  TokenType.TRUE,
  TokenType.FALSE,
  TokenType.NULL,
];

function isPlain(token: TokenType): boolean {
  return plainTokens.includes(token);
}

function unreadable(): AppError {
  return new AppError('BAD_REQUEST', 'The body is not valid JSON');
}
