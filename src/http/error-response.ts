import { STATUS_CODES } from 'node:http';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { AppError, httpStatusOf, retryAfterSeconds, type ErrorCode } from '../errors.ts';
import { chooseMediaType } from './media-type.ts';

/** Our codes for errors of Fastify itself, by their HTTP status. */
const codeByHttpStatus: Readonly<Record<number, ErrorCode>> = {
  400: 'BAD_REQUEST',
  404: 'PATH_NOT_FOUND',
  405: 'METHOD_NOT_ALLOWED',
  408: 'REQUEST_TIMEOUT',
  413: 'PAYLOAD_TOO_LARGE',
  415: 'UNSUPPORTED_MEDIA_TYPE',
  503: 'SERVICE_UNAVAILABLE',
};

/** Sends the error of a request that did not reach GraphQL, in the format of GraphQL errors. */
export function sendError(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const { code, message, details } = toAppError(error, request);
  if (code === 'UNAUTHENTICATED') challenge(request, reply);
  return sendStatus(code, reply)
    .type(`${chooseMediaType(request.headers.accept).mediaType}; charset=utf-8`)
    .send({ errors: [{ message, extensions: { code, ...details } }] });
}

/**
 * Converts an error for the caller: ours unchanged, Fastify's with our own messages. Any other is logged and masked.
 * Notes its code in the summary of the request.
 */
export function toAppError(error: unknown, request: FastifyRequest): AppError {
  const appError = convertError(error, request);
  request.summary.errorCode = appError.code;
  return appError;
}

function convertError(error: unknown, request: FastifyRequest): AppError {
  const appError = error instanceof AppError ? error : convertFastifyError(error);
  if (appError) return appError;
  request.log.error({ err: error }, 'unexpected error');
  return new AppError('INTERNAL_SERVER_ERROR', 'Internal server error', { requestId: request.id });
}

/** Sets the status of an error code, and its headers. */
export function sendStatus(code: unknown, reply: FastifyReply): FastifyReply {
  return setStatus(httpStatusOf(code), reply);
}

/** Sets a status, and its headers. */
export function setStatus(status: number, reply: FastifyReply): FastifyReply {
  if (status === 503) reply.header('Retry-After', String(retryAfterSeconds));
  return reply.status(status);
}

/**
 * Sets WWW-Authenticate. Browsers are not offered Basic: they would show their own password dialog, and then send the
 * password with every request, including cross-site ones (CSRF).
 */
export function challenge({ headers }: FastifyRequest, reply: FastifyReply): void {
  const isBrowser = 'sec-fetch-mode' in headers || 'origin' in headers;
  const schemes = ['Bearer realm="group-api"', 'Basic realm="group-api", charset="UTF-8"'];
  reply.header('WWW-Authenticate', isBrowser ? schemes[0] : schemes.join(', '));
}

/** Converts an error of Fastify about the request. Returns undefined for any other error. */
function convertFastifyError(error: unknown): AppError | undefined {
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
