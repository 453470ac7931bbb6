import type { ErrorCode } from '../errors.ts';

/** The kinds of endpoints. `other`: `/whoami`, the schema's text, and paths that do not exist. */
export type Endpoint = 'graphql' | 'operation' | 'autodialer' | 'page' | 'health' | 'other';

/** The trace of one request. */
export type RequestTrace = {
  /** 32 hexadecimal digits, as in `traceparent`. */
  readonly traceId: string;
  /** Begins the span of the sign-in, and returns the function that ends it. */
  startSignIn(): (isSuccess: boolean) => void;
  /** Executes the operation of the request within its span, which is active meanwhile. */
  runOperation<T>(operation: () => Promise<T>): Promise<T>;
  /** Ends the span of the request, whose summary is complete. */
  end(): void;
};

/**
 * What one request did: filled in where the facts are known, and read once, when the request has ended, for the log
 * line, the metrics and the trace. Texts are from closed sets, except the account.
 */
export type RequestSummary = {
  /** When its headers had arrived, by the clock of `performance.now()`. */
  readonly startedAt: number;
  /** Of the schema or, at the autodialer, the service such as `autodialer/groups/add`; each once. */
  rootFields: readonly string[];
  /** The code of the first error; undefined if there was none. */
  errorCode: ErrorCode | undefined;
  /** Whether the stored response of an earlier call was returned. */
  isReplayed: boolean;
  /** Whether the response stayed open, as that of a subscription: its duration says nothing. */
  isStream: boolean;
  /**
   * The time until the body had arrived, or until the end of a request whose body was incomplete then, in milliseconds;
   * 0 without a body, or if it is streamed.
   */
  receiveMs: number;
  /** The size of the largest batch of deletes that the request was part of; 0 if it was part of none. */
  batchSize: number;
  /** The time that mutations waited for their turn, in milliseconds. */
  waitMs: number;
  /** The time of database work, in milliseconds: of mutations, and of the root fields of queries. */
  statementMs: number;
  /** The trace, if tracing is on. */
  trace: RequestTrace | undefined;

  /** The rest is known at the end. */
  isFinished: boolean;
  endpoint: Endpoint;
  /** One of the methods of HTTP that Node knows. */
  method: string;
  /** The path of the route, with its placeholders; undefined if no route matched. */
  route: string | undefined;
  /** The HTTP status; undefined if the connection was closed before the response began. */
  status: number | undefined;
  /** Whether the connection was closed before the response was complete; false for a stream, which has no other end. */
  isAborted: boolean;
  /** Undefined if the request was not authenticated. */
  account: string | undefined;
  /** The whole time of the request in milliseconds. */
  durationMs: number;
};

/** Adds the milliseconds since `startedAt`, by the clock of `performance.now()`, to the database work of a request. */
export function addStatementTime(summary: RequestSummary | undefined, startedAt: number): void {
  if (summary) summary.statementMs += performance.now() - startedAt;
}

/** Runs work, and counts the part of its time as waiting that is not counted as database work meanwhile. */
export async function addWaitTime<T>(
  summary: RequestSummary | undefined,
  work: () => Promise<T>,
): Promise<T> {
  if (!summary) return work();
  const startedAt = performance.now();
  const statementMs = summary.statementMs;
  try {
    return await work();
  } finally {
    summary.waitMs += performance.now() - startedAt - (summary.statementMs - statementMs);
  }
}
