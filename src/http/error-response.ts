import { STATUS_CODES } from 'node:http';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { AppError, httpStatusOf, retryAfterSeconds, type ErrorCode } from '../errors.ts';
import { chooseMediaType } from './media-type.ts';

/** Our code for what Fastify itself refuses, by the status that it chose. */
const codeByHttpStatus: Readonly<Record<number, ErrorCode>> = {
  400: 'BAD_REQUEST',
  404: 'PATH_NOT_FOUND',
  405: 'METHOD_NOT_ALLOWED',
  408: 'REQUEST_TIMEOUT',
  413: 'PAYLOAD_TOO_LARGE',
  415: 'UNSUPPORTED_MEDIA_TYPE',
  503: 'SERVICE_UNAVAILABLE',
};

/** Answers a request that did not reach GraphQL, in the same shape that GraphQL's errors have. */
export function sendError(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const { code, message, details } = toAppError(error, request);
  if (code === 'UNAUTHENTICATED') challenge(request, reply);
  return sendStatus(code, reply)
    .type(`${chooseMediaType(request.headers.accept) ?? 'application/json'}; charset=utf-8`)
    .send({ errors: [{ message, extensions: { code, ...details } }] });
}

/** What the caller is told of an error: ours as it is, Fastify's in our own words; any other is logged, and masked. */
export function toAppError(error: unknown, request: FastifyRequest): AppError {
  const refusal = error instanceof AppError ? error : readFastifyError(error);
  if (refusal) return refusal;
  request.log.error({ err: error }, 'unexpected error');
  return new AppError('INTERNAL_SERVER_ERROR', 'Internal server error', { requestId: request.id });
}

/** Sets the status of an error code, and the headers that go with it. */
export function sendStatus(code: unknown, reply: FastifyReply): FastifyReply {
  return setStatus(httpStatusOf(code), reply);
}

/** Sets a status, and the headers that go with it. */
export function setStatus(status: number, reply: FastifyReply): FastifyReply {
  if (status === 503) reply.header('Retry-After', String(retryAfterSeconds));
  return reply.status(status);
}

/**
 * Says which credentials are taken. Browsers are not told of Basic: they would ask the person by a dialog of theirs, and send
 * the password with every later request, whichever page it comes from.
 */
export function challenge({ headers }: FastifyRequest, reply: FastifyReply): void {
  const isBrowser = 'sec-fetch-mode' in headers || 'origin' in headers;
  const schemes = ['Bearer realm="group-api"', 'Basic realm="group-api", charset="UTF-8"'];
  reply.header('WWW-Authenticate', isBrowser ? schemes[0] : schemes.join(', '));
}

/** What Fastify refuses has a status below 500 and a message about the request, which we put in our own words. */
function readFastifyError(error: unknown): AppError | undefined {
  const status = (error as { statusCode?: number }).statusCode ?? 500;
  const code = codeByHttpStatus[status];
  if (!code) return undefined;
  const { code: reason } = error as { code?: string };
  const messages: Partial<Record<ErrorCode, string>> = {
    BAD_REQUEST: reason?.startsWith('FST_ERR_CTP_') ? 'The request body cannot be read' : 'Malformed URL',
    PAYLOAD_TOO_LARGE: 'The body is larger than 1 MiB',
    UNSUPPORTED_MEDIA_TYPE: 'Send the body as "Content-Type: application/json"',
  };
  return new AppError(code, messages[code] ?? STATUS_CODES[status]!);
}
