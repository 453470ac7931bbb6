import type { MultipartFile } from '@fastify/multipart';
import type { FastifyRequest } from 'fastify';
import { AppError, badInput } from '../../errors.ts';
import { readNumbersFile, type NumbersFileReport } from './numbers-file.ts';
import { readBytes } from '../request-bytes.ts';
import { missing } from '../request-validation.ts';

const maxFileBytes = 64 * 1024 * 1024;

/**
 * The limits of the multipart parser. `readBytes` rejects files that are too large, so the parser accepts one byte
 * more.
 */
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
 * Reads the phone numbers of the file in the field `file` as they arrive, and passes each to `add`. The file is only
 * streamed, never stored; its name is ignored. Returns a report without any content of the file.
 * @throws AppError UNSUPPORTED_MEDIA_TYPE, BAD_REQUEST, PAYLOAD_TOO_LARGE; BAD_USER_INPUT with the field or the line.
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
    // An unread file would block the following parts.
    else part.file.resume();
  }
  if (!report) throw missing('file');
  return report;
}

/**
 * CSRF: rejects uploads from the pages of other sites, which could use the Basic credentials that a browser has
 * cached. Unlike JSON, a multipart form is sent cross-site without a CORS preflight.
 * @throws AppError FORBIDDEN
 */
export function requireAllowedOrigin(request: FastifyRequest, corsOrigins: readonly string[]): void {
  const { origin } = request.headers;
  const allowed = [`${request.protocol}://${request.host}`, ...corsOrigins];
  if (origin === undefined || allowed.includes(origin) || allowed.includes('*')) return;
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
    if (code === 'FST_FILES_LIMIT') throw badInput('file', 'file must not be repeated');
    if (/^FST_(PARTS|FIELDS)_LIMIT$/.test(code))
      throw badInput('file', 'file must not be one of more than 20 parts');
    throw new AppError('BAD_REQUEST', 'The body is not valid multipart/form-data', {}, { cause: error });
  }
  return part.done ? undefined : part.value;
}
