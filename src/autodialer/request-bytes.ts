import type { Readable } from 'node:stream';
import type { FastifyRequest } from 'fastify';
import { AppError } from '../errors.ts';
import { requireUniqueKeys } from '../http/hooks/json-body.ts';

/**
 * Reads the stream of a request body. If the reader stops early, the rest is discarded as it arrives: clients read
 * the response only after they have sent the whole body.
 * @throws AppError PAYLOAD_TOO_LARGE; BAD_REQUEST if the client disconnects.
 */
export async function* readBytes(stream: Readable, maxBytes: number): AsyncGenerator<Buffer> {
  let bytes = 0;
  try {
    for await (const chunk of stream.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > maxBytes)
        throw new AppError('PAYLOAD_TOO_LARGE', `The body is larger than ${maxBytes / 1_048_576} MiB`);
      yield chunk;
    }
  } catch (error) {
    if (error instanceof AppError) throw error;
    throw new AppError(
      'BAD_REQUEST',
      'The connection was closed before the body was there',
      {},
      { cause: error },
    );
  } finally {
    stream.on('error', () => undefined).resume();
  }
}

/**
 * Reads the JSON body of a GET request, which Fastify does not parse.
 * @throws AppError UNSUPPORTED_MEDIA_TYPE, PAYLOAD_TOO_LARGE, BAD_REQUEST; BAD_USER_INPUT if a key is repeated
 */
export async function readJson({ raw, headers }: FastifyRequest, maxBytes: number): Promise<unknown> {
  const chunks: Buffer[] = [];
  for await (const chunk of readBytes(raw, maxBytes)) chunks.push(chunk);
  const isJson = /^application\/json *(;|$)/i.test(headers['content-type'] ?? '');
  if (chunks.length > 0 && !isJson)
    throw new AppError('UNSUPPORTED_MEDIA_TYPE', 'Send the body as "Content-Type: application/json"');
  let text: string;
  let value: unknown;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks));
    value = JSON.parse(text);
  } catch (error) {
    throw new AppError('BAD_REQUEST', 'The body is not valid JSON', {}, { cause: error });
  }
  requireUniqueKeys(text, value);
  return value;
}
