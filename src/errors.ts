/**
 * Whether a client may send the same request again, in Markdown. `no`: it fails again. `after a change`: it may succeed
 * once the group, the account or the server's settings have changed. `yes`: it may succeed, after the seconds of the
 * header that is named, if the response has it; a mutation that may have been executed needs its `Idempotency-Key`.
 */
export type Retry =
  | 'no'
  | 'after a change'
  | 'yes'
  | 'yes, after `Retry-After`'
  | 'yes, with the same `Idempotency-Key`'
  | 'yes, after `Retry-After`, with the same `Idempotency-Key`';

type ErrorDescription = {
  /** The HTTP status at `/<operation>`; at `/graphql` only of requests that are not executed. */
  readonly status: number;
  /** What the error means, in Markdown: docs/errors.md and docs/api.md are generated from it. */
  readonly meaning: string;
  readonly retry: Retry;
};

/**
 * Every error code that a client can receive. Those of Apollo Server keep its messages; all others are raised by
 * AppError.
 */
export const errorTable = {
  BAD_USER_INPUT: {
    status: 400,
    meaning: 'a value is missing or invalid (`argument` has its path), or the body has the same key twice',
    retry: 'no',
  },
  QUERY_TOO_COMPLEX: {
    status: 400,
    meaning: 'the operation exceeds a limit: `limit` is its name, `maximum` and `value` are numbers',
    retry: 'no',
  },
  // Apollo Server's
  GRAPHQL_PARSE_FAILED: { status: 400, meaning: 'the query is not valid GraphQL syntax', retry: 'no' },
  // Apollo Server's
  GRAPHQL_VALIDATION_FAILED: {
    status: 400,
    meaning: 'the query is not valid against the schema',
    retry: 'no',
  },
  // Apollo Server's
  OPERATION_RESOLUTION_FAILURE: {
    status: 400,
    meaning: '`operationName` is missing, or the query has no operation with this name',
    retry: 'no',
  },
  // Apollo Server's
  BAD_REQUEST: { status: 400, meaning: 'the body is not JSON, or not a GraphQL request', retry: 'no' },
  UNAUTHENTICATED: { status: 401, meaning: 'missing, empty or invalid credentials', retry: 'no' },
  FORBIDDEN: {
    status: 403,
    meaning:
      'the account lacks `requiredScope`, or may not be used from `address`; or `INTROSPECTION` is `false`; of an import, the ' +
      'user of the database lacks a privilege',
    retry: 'after a change',
  },
  OPERATION_NOT_ALLOWED: {
    status: 403,
    meaning: "the operation is not on the server's allowlist (`ALLOWED_OPERATIONS_FILE`)",
    retry: 'after a change',
  },
  NOT_FOUND: {
    status: 404,
    meaning:
      'the group, service group, subscriber or retirement does not exist; `id`, or `username` and `groupId`, name it, and ' +
      '`argument` which of several groups',
    retry: 'after a change',
  },
  PATH_NOT_FOUND: { status: 404, meaning: 'the server has no such path', retry: 'no' },
  METHOD_NOT_ALLOWED: {
    status: 405,
    meaning: 'the path accepts other methods: see the `Allow` header',
    retry: 'no',
  },
  NOT_ACCEPTABLE: {
    status: 406,
    meaning: '`Accept` excludes the media types of the response; nothing was executed',
    retry: 'no',
  },
  REQUEST_TIMEOUT: { status: 408, meaning: 'the request was not received in time', retry: 'yes' },
  HAS_ACTIVE_SUBSCRIBERS: {
    status: 409,
    meaning:
      'the group has active subscribers; `subscriberCount` is their number; `moveSubscribersTo` moves them',
    retry: 'after a change',
  },
  GROUP_PROTECTED: {
    status: 409,
    meaning: 'the group is protected; `editGroup` changes `protected`',
    retry: 'after a change',
  },
  GROUP_RETIRED: {
    status: 409,
    meaning:
      'the group is retired: it accepts no new subscribers and stays hidden; `id` and `retiresAt` name it and its date, and ' +
      '`argument` which argument; of an import, `records` names the subscribers; `cancelRetirement` ends that',
    retry: 'after a change',
  },
  VERSION_CONFLICT: {
    status: 409,
    meaning: 'the group is not at `expectedVersion`; `version` is the current one',
    retry: 'after a change',
  },
  ALREADY_EXISTS: {
    status: 409,
    meaning: 'the group to restore, or the username in the group, already exists',
    retry: 'after a change',
  },
  HAS_GROUPS: {
    status: 409,
    meaning: 'the service group still has groups; `groupCount` is their number',
    retry: 'after a change',
  },
  IDEMPOTENCY_IN_PROGRESS: {
    status: 409,
    meaning: 'the first call with this key is still running',
    retry: 'yes, with the same `Idempotency-Key`',
  },
  PAYLOAD_TOO_LARGE: {
    status: 413,
    meaning: 'the body is larger than 1 MiB, or has more than 20,000 keys and values',
    retry: 'no',
  },
  UNSUPPORTED_MEDIA_TYPE: { status: 415, meaning: 'the body is not `application/json`', retry: 'no' },
  IDEMPOTENCY_KEY_REUSED: {
    status: 422,
    meaning: 'the key was used with other arguments: use a new key',
    retry: 'no',
  },
  RATE_LIMITED: {
    status: 429,
    meaning: 'too many requests or failed sign-ins: see `Retry-After` and the `RateLimit-*` headers',
    retry: 'yes, after `Retry-After`',
  },
  // Apollo Server's
  INTERNAL_SERVER_ERROR: {
    status: 500,
    meaning: 'an internal error: see the log entry with this `requestId`',
    retry: 'no',
  },
  NOT_IMPLEMENTED: { status: 501, meaning: 'unknown autodialer service', retry: 'no' },
  SERVICE_UNAVAILABLE: {
    status: 503,
    meaning: 'the database is unavailable, or the server is overloaded: see `Retry-After`',
    retry: 'yes, after `Retry-After`, with the same `Idempotency-Key`',
  },
  // Apollo Server's
  PERSISTED_QUERY_NOT_SUPPORTED: {
    status: 200,
    meaning: 'the server stores no persisted queries: send the query itself, as Apollo Client does then',
    retry: 'no',
  },
} as const satisfies Readonly<Record<string, ErrorDescription>>;

export type ErrorCode = keyof typeof errorTable;

/** Returns whether a value is a code of the table, so that clients may see it. */
export function isErrorCode(code: unknown): code is ErrorCode {
  return typeof code === 'string' && Object.hasOwn(errorTable, code);
}

/** Returns the HTTP status of an error code; 500 for one that is not in the table. */
export function httpStatusOf(code: unknown): number {
  return isErrorCode(code) ? errorTable[code].status : 500;
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
    'The data is locked by another operation. Try again later',
    {},
    { cause },
  );
}

/** The connection was lost during a commit, and it cannot be determined whether the commit succeeded. */
export class OutcomeUnknownError extends AppError {
  override name = 'OutcomeUnknownError';

  constructor(cause?: unknown) {
    super(
      'SERVICE_UNAVAILABLE',
      'The connection to the database was lost during the change, and it is unknown whether the change was made. ' +
        'Check before you try again, or repeat the call with its Idempotency-Key',
      {},
      { cause },
    );
  }
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
export class OperatorError extends Error {
  override name = 'OperatorError';
}
