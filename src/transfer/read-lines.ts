import { AppError } from '../errors.ts';

const lineFeed = 0x0a;

/**
 * Splits a stream of UTF-8 into lines, with at most one chunk and one line in memory.
 * @throws AppError BAD_USER_INPUT with the line number if a line is too long or not UTF-8.
 */
export async function* readLines(
  chunks: AsyncIterable<Buffer>,
  maxLineBytes: number,
): AsyncGenerator<{ readonly number: number; readonly text: string }> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let number = 1;
  const decode = (bytes: Buffer) => {
    if (bytes.length > maxLineBytes) throw tooLong(number, maxLineBytes);
    try {
      const text = decoder.decode(bytes);
      return { number: number++, text };
    } catch {
      throw lineError(number, 'not valid UTF-8');
    }
  };

  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of chunks) {
    let data: Buffer = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    for (let end = data.indexOf(lineFeed); end !== -1; end = data.indexOf(lineFeed)) {
      yield decode(data.subarray(0, end));
      data = data.subarray(end + 1);
    }
    if (data.length > maxLineBytes) throw tooLong(number, maxLineBytes);
    rest = data;
  }
  if (rest.length > 0) yield decode(rest);
}

/** Creates an error for an invalid line of a file. */
export function lineError(line: number, message: string, details: object = {}): AppError {
  return new AppError('BAD_USER_INPUT', `Line ${line}: ${message}. Nothing was imported`, {
    ...details,
    line,
  });
}

function tooLong(line: number, maxLineBytes: number): AppError {
  return lineError(line, `longer than ${maxLineBytes} bytes`);
}
