import type { MultipartFile } from '@fastify/multipart';
import type { FastifyRequest } from 'fastify';
import { AppError, badInput } from '../../errors.ts';
import { readNumbersFile, type NumbersFileReport } from './numbers-file.ts';
import { readBytes } from '../request-bytes.ts';
import { missing } from '../request-validation.ts';

const maxFileBytes = 64 * 1024 * 1024;

/** What the parser of multipart bodies takes. A file that is too large is told from its bytes, so that it may have one more. */
export const multipartLimits = {
  fileSize: maxFileBytes + 1,
  files: 1,
  fields: 20,
  parts: 20,
  fieldNameSize: 100,
  fieldSize: 10_000,
  headerPairs: 100,
};

/**
 * Reads the phone numbers of the file in the field `file`, as they come in, and hands each to `add`. The file is nowhere but in
 * the stream; its name is not looked at. Returns what was read, without any of the file's content.
 * @throws AppError UNSUPPORTED_MEDIA_TYPE, BAD_REQUEST, PAYLOAD_TOO_LARGE; BAD_USER_INPUT that names the field or the line.
 */
export async function readUpload(
  request: FastifyRequest,
  add: (number: string) => Promise<void>,
): Promise<NumbersFileReport> {
  if (!request.isMultipart())
    throw new AppError('UNSUPPORTED_MEDIA_TYPE', 'Send the file as multipart/form-data');
  const parts = request.parts();
  let report: NumbersFileReport | undefined;
  for (let part = await nextPart(parts); part; part = await nextPart(parts)) {
    if (part.type !== 'file') continue;
    if (part.fieldname === 'file') report = await readNumbersFile(readBytes(part.file, maxFileBytes), add);
    // What is not read would hold up the rest.
    else part.file.resume();
  }
  if (!report) throw missing('file');
  return report;
}

/**
 * Keeps other sites' pages from uploading with the password that a browser remembers: unlike JSON, a form may send a file to
 * anywhere without asking first.
 * @throws AppError FORBIDDEN
 */
export function requireKnownPage(request: FastifyRequest, corsOrigins: readonly string[]): void {
  const { origin } = request.headers;
  const known = [`${request.protocol}://${request.host}`, ...corsOrigins];
  if (origin === undefined || known.includes(origin) || known.includes('*')) return;
  throw new AppError('FORBIDDEN', `The origin ${origin} is not in CORS_ORIGINS`, { origin });
}

type Part = Awaited<ReturnType<ReturnType<FastifyRequest['parts']>['next']>>;

async function nextPart(
  parts: ReturnType<FastifyRequest['parts']>,
): Promise<MultipartFile | { type: 'field' } | undefined> {
  let part: Part;
  try {
    part = await parts.next();
  } catch (error) {
    const { code = '' } = error as { code?: string };
    if (code === 'FST_FILES_LIMIT') throw badInput('file', 'file must be given once');
    if (/^FST_(PARTS|FIELDS)_LIMIT$/.test(code))
      throw badInput('file', 'file must not be one of more than 20 parts');
    throw new AppError('BAD_REQUEST', 'The body is not valid multipart/form-data', {}, { cause: error });
  }
  return part.done ? undefined : part.value;
}
