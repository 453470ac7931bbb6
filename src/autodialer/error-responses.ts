import type { FastifyReply, FastifyRequest } from 'fastify';
import type { AppError, ErrorCode } from '../errors.ts';
import { challenge, sendStatus, toAppError } from '../http/error-response.ts';

/** The codes that the vendor reports with an HTTP status; errors with any other code are sent with status 200. */
const codesWithStatus: readonly ErrorCode[] = [
  'UNAUTHENTICATED',
  'FORBIDDEN',
  'METHOD_NOT_ALLOWED',
  'NOT_ACCEPTABLE',
  'UNSUPPORTED_MEDIA_TYPE',
  'BAD_REQUEST',
  'REQUEST_TIMEOUT',
  'PAYLOAD_TOO_LARGE',
  'RATE_LIMITED',
  'INTERNAL_SERVER_ERROR',
  'NOT_IMPLEMENTED',
  'SERVICE_UNAVAILABLE',
];

/** The vendor's fixed messages; errors with other codes have specific messages. */
const messages: Partial<Record<ErrorCode, string>> = {
  METHOD_NOT_ALLOWED: 'Method not allowed',
  UNSUPPORTED_MEDIA_TYPE: 'Unsupported Media Type',
  BAD_REQUEST: 'Unable to parse content',
  NOT_IMPLEMENTED: 'Requested service does not exist',
};

/** Sends an error as the vendor documents it: with a status by its code, and always the same form of body. */
export function sendError(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const appError = toAppError(error, request);
  if (appError.code === 'UNAUTHENTICATED') challenge(request, reply);
  if (codesWithStatus.includes(appError.code)) sendStatus(appError.code, reply);
  else reply.status(200);
  return reply.type('application/json; charset=utf-8').send(writeFailure(vendorMessage(appError, request)));
}

/** Writes the body of an error. */
export function writeFailure(message: string): string {
  return JSON.stringify({ success: 0, message, data: '' });
}

function vendorMessage({ code, message, details }: AppError, { headers }: FastifyRequest): string {
  const { argument, requiredScope, origin } = details as Partial<Record<string, string>>;
  const deniedTo = requiredScope ?? origin;
  switch (code) {
    case 'UNAUTHENTICATED':
      return `BasicAuth or ApiKey is ${headers.authorization || headers['x-apikey'] ? 'invalid' : 'missing'}`;
    case 'FORBIDDEN':
      return deniedTo === undefined ? 'IP is not permitted' : `${deniedTo};Access denied`;
    default:
      return messages[code] ?? (argument === undefined ? message : fieldMessage(argument, message));
  }
}

/** `name must not be blank` becomes `Field 'name':value must not be blank`. */
function fieldMessage(argument: string, message: string): string {
  const problem = message.startsWith(`${argument} `) ? `value${message.slice(argument.length)}` : message;
  return `Field '${argument}':${problem}`;
}
