/**
 * Every error that a caller can see: its code and the HTTP status that goes with it. The first part is Apollo Server's
 * own, whose messages we pass on; the second part is ours.
 */
export const httpStatusByCode = {
  GRAPHQL_PARSE_FAILED: 400,
  GRAPHQL_VALIDATION_FAILED: 400,
  OPERATION_RESOLUTION_FAILURE: 400,
  BAD_REQUEST: 400,
  PERSISTED_QUERY_NOT_SUPPORTED: 200,

  BAD_USER_INPUT: 400,
  QUERY_TOO_COMPLEX: 400,
  UNAUTHENTICATED: 401,
  FORBIDDEN: 403,
  OPERATION_NOT_ALLOWED: 403,
  NOT_FOUND: 404,
  PATH_NOT_FOUND: 404,
  METHOD_NOT_ALLOWED: 405,
  NOT_ACCEPTABLE: 406,
  REQUEST_TIMEOUT: 408,
  HAS_ACTIVE_SUBSCRIBERS: 409,
  HAS_GROUPS: 409,
  GROUP_PROTECTED: 409,
  ALREADY_EXISTS: 409,
  VERSION_CONFLICT: 409,
  IDEMPOTENCY_IN_PROGRESS: 409,
  PAYLOAD_TOO_LARGE: 413,
  UNSUPPORTED_MEDIA_TYPE: 415,
  IDEMPOTENCY_KEY_REUSED: 422,
  RATE_LIMITED: 429,
  INTERNAL_SERVER_ERROR: 500,
  NOT_IMPLEMENTED: 501,
  SERVICE_UNAVAILABLE: 503,
} as const;

export type ErrorCode = keyof typeof httpStatusByCode;

/** Tells whether a code is one of ours or Apollo's, so that it may be shown. */
export function isErrorCode(code: unknown): code is ErrorCode {
  return typeof code === 'string' && Object.hasOwn(httpStatusByCode, code);
}

/** The HTTP status of an error code; 500 for one that is not in the table. */
export function httpStatusOf(code: unknown): number {
  return isErrorCode(code) ? httpStatusByCode[code] : 500;
}

/** How long a client is asked to wait when the server cannot answer now, in seconds. */
export const retryAfterSeconds = 1;

/** A refusal that is meant for the caller: the message and the details are shown as they are. */
export class AppError extends Error {
  override name = 'AppError';
  readonly code: ErrorCode;
  /** What goes into `extensions` beside the code. */
  readonly details: Readonly<Record<string, unknown>>;

  constructor(
    code: ErrorCode,
    message: string,
    details: Record<string, unknown> = {},
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.code = code;
    this.details = details;
  }
}

/** A value that the caller gave is missing or wrong; `argument` is the path to it, as in `group.price`. */
export function badInput(argument: string, message: string): AppError {
  return new AppError('BAD_USER_INPUT', message, { argument });
}

/** The database cannot be reached; nothing is known to have happened. */
export function serviceUnavailable(cause?: unknown): AppError {
  return new AppError(
    'SERVICE_UNAVAILABLE',
    'The database is not available at the moment. Try again later',
    {},
    { cause },
  );
}

/** What is asked for is locked by others for longer than a call may wait; nothing has happened. */
export function lockTimeout(cause?: unknown): AppError {
  return new AppError(
    'SERVICE_UNAVAILABLE',
    'The group is locked by another operation. Try again later',
    {},
    { cause },
  );
}

/** The connection was lost during a commit, and the database cannot be asked whether it took place. */
export function outcomeUnknown(cause?: unknown): AppError {
  return new AppError(
    'SERVICE_UNAVAILABLE',
    'The connection to the database was lost during the change, and it is unknown whether the change was made. ' +
      'Check before you try again, or repeat the call with its Idempotency-Key',
    {},
    { cause },
  );
}

/** The database ended a statement at a time limit of its own, such as `statement_timeout`; nothing was changed. */
export function timeLimitReached(cause?: unknown): AppError {
  return new AppError(
    'SERVICE_UNAVAILABLE',
    'The database stopped the operation at its time limit, and nothing was changed. Try again later',
    {},
    { cause },
  );
}

/** A problem that the operator must fix: one line that says what is wrong and what to do. Shown without a stack. */
export class OperatorError extends Error {
  override name = 'OperatorError';
}
