import type { FastifyReply, FastifyRequest } from 'fastify';
import type { AppError, ErrorCode } from '../errors.ts';
import { challenge, sendStatus, toAppError } from '../http/error-response.ts';

/** The codes of what is wrong with a request as such, which have an HTTP status of their own; of any other code the status is 200. */
const codesWithStatus: readonly ErrorCode[] = [
  'UNAUTHENTICATED',
  'FORBIDDEN',
  'METHOD_NOT_ALLOWED',
  'UNSUPPORTED_MEDIA_TYPE',
  'BAD_REQUEST',
  'REQUEST_TIMEOUT',
  'PAYLOAD_TOO_LARGE',
  'RATE_LIMITED',
  'INTERNAL_SERVER_ERROR',
  'NOT_IMPLEMENTED',
  'SERVICE_UNAVAILABLE',
];

/** The vendor's words for what has one sentence; the others say more. */
const messages: Partial<Record<ErrorCode, string>> = {
  METHOD_NOT_ALLOWED: 'Method not allowed',
  UNSUPPORTED_MEDIA_TYPE: 'Unsupported Media Type',
  BAD_REQUEST: 'Unable to parse content',
  NOT_IMPLEMENTED: 'Requested service does not exist',
};

/** Answers a request that was refused, as the vendor's documents have it: a status for its kind, and always the same body. */
export function sendRefusal(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const refusal = toAppError(error, request);
  if (refusal.code === 'UNAUTHENTICATED') challenge(request, reply);
  if (codesWithStatus.includes(refusal.code)) sendStatus(refusal.code, reply);
  else reply.status(200);
  return reply.type('application/json; charset=utf-8').send(writeFailure(wordRefusal(refusal, request)));
}

function writeFailure(message: string): string {
  return JSON.stringify({ success: 0, message, data: '' });
}

/** Writes the body of a refusal that is made before a request comes to a route. */
export function writeEarlyRefusal(url: string, { message }: AppError): string | undefined {
  return url.startsWith('/api/v4/') ? writeFailure(message) : undefined;
}

function wordRefusal({ code, message, details }: AppError, { headers }: FastifyRequest): string {
  const { argument, requiredScope, origin } = details as Partial<Record<string, string>>;
  const deniedTo = requiredScope ?? origin;
  switch (code) {
    case 'UNAUTHENTICATED':
      return `BasicAuth or ApiKey is ${headers.authorization || headers['x-apikey'] ? 'invalid' : 'missing'}`;
    case 'FORBIDDEN':
      return deniedTo === undefined ? 'IP is not permitted' : `${deniedTo};Access denied`;
    default:
      return messages[code] ?? (argument === undefined ? message : wordField(argument, message));
  }
}

/** `name must not be blank` becomes `Field 'name':value must not be blank`. */
function wordField(argument: string, message: string): string {
  const problem = message.startsWith(`${argument} `) ? `value${message.slice(argument.length)}` : message;
  return `Field '${argument}':${problem}`;
}
