import { createHash } from 'node:crypto';
import { Tokenizer, TokenType } from '@streamparser/json';
import { AppError, badInput } from '../../errors.ts';
import { appendPhoneNumbers } from './phone-number.ts';

/** The fields of a body, except its numbers, which were passed on. */
type NumbersBody = {
  readonly fields: Readonly<Record<string, unknown>>;
  /** A digest of the numbers for the fingerprint; undefined if the body has no list. */
  readonly numbersDigest: string | undefined;
};

/** The maximum length of a name or a value, in bytes, which bounds the memory use. */
const maxTokenBytes = 65_536;
const maxFields = 20;

/**
 * Reads a JSON object of scalar values and a list `numbers`, whose items are passed to `add` as they arrive, so that
 * a million numbers are never in memory.
 * @throws AppError BAD_REQUEST if the body is not such JSON; BAD_USER_INPUT with the field; any error of `add`.
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
      throw error instanceof AppError ? error : invalidJson();
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
  if (next !== expectNothing) throw invalidJson();
  return {
    fields: Object.fromEntries(fields),
    numbersDigest: fields.has('numbers') ? digest.digest('base64url') : undefined,
  };

  // The states of the parser: each function handles one token, and sets the function for the next token.
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
    if (fields.has(key)) throw badInput(key, `${key} must not be repeated`);
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
    next = requireToken(isScalar(token), expectComma);
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
    if (token === TokenType.COMMA || token === TokenType.RIGHT_BRACKET) throw invalidJson();
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
    throw invalidJson();
  }
}

function requireToken<T>(isExpected: boolean, next: T): T {
  if (!isExpected) throw invalidJson();
  return next;
}

const scalarTokens: readonly TokenType[] = [
  TokenType.STRING,
  TokenType.NUMBER,
  TokenType.TRUE,
  TokenType.FALSE,
  TokenType.NULL,
];

function isScalar(token: TokenType): boolean {
  return scalarTokens.includes(token);
}

function invalidJson(): AppError {
  return new AppError('BAD_REQUEST', 'The body is not valid JSON');
}
