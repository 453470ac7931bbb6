/**
 * All error codes that a caller can receive, with their HTTP status. The first part are Apollo Server's codes, whose
 * messages are passed on; the second part are our own.
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

/** Returns whether a code is in the table, so that the caller may see it. */
export function isErrorCode(code: unknown): code is ErrorCode {
  return typeof code === 'string' && Object.hasOwn(httpStatusByCode, code);
}

/** Returns the HTTP status of an error code; 500 for a code that is not in the table. */
export function httpStatusOf(code: unknown): number {
  return isErrorCode(code) ? httpStatusByCode[code] : 500;
}

/** The value of Retry-After for 503 responses, in seconds. */
export const retryAfterSeconds = 1;

/** An error meant for the caller, who receives its message and details unchanged. */
export class AppError extends Error {
  override name = 'AppError';
  readonly code: ErrorCode;
  /** The fields of `extensions` in addition to the code. */
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

/** A value is missing or invalid; `argument` is its path, as in `group.price`. */
export function badInput(argument: string, message: string): AppError {
  return new AppError('BAD_USER_INPUT', message, { argument });
}

/** The database is unavailable. Nothing was changed, as far as is known. */
export function serviceUnavailable(cause?: unknown): AppError {
  return new AppError(
    'SERVICE_UNAVAILABLE',
    'The database is not available at the moment. Try again later',
    {},
    { cause },
  );
}

/** The rows are locked by another operation for longer than a call may wait; nothing was changed. */
export function lockTimeout(cause?: unknown): AppError {
  return new AppError(
    'SERVICE_UNAVAILABLE',
    'The group is locked by another operation. Try again later',
    {},
    { cause },
  );
}

/** The connection was lost during a commit, and it cannot be determined whether the commit succeeded. */
export function outcomeUnknown(cause?: unknown): AppError {
  return new AppError(
    'SERVICE_UNAVAILABLE',
    'The connection to the database was lost during the change, and it is unknown whether the change was made. ' +
      'Check before you try again, or repeat the call with its Idempotency-Key',
    {},
    { cause },
  );
}

/** The database cancelled a statement at a time limit, such as `statement_timeout`; nothing was changed. */
export function timeLimitReached(cause?: unknown): AppError {
  return new AppError(
    'SERVICE_UNAVAILABLE',
    'The database stopped the operation at its time limit, and nothing was changed. Try again later',
    {},
    { cause },
  );
}

/** An error that the operator has to fix: one line with the problem and the solution. */
export class StartError extends Error {
  override name = 'StartError';
}
