import { errorTable, type ErrorCode } from '../../errors.ts';
import type { FinishedBatch } from '../../measurements/channels.ts';
import type { Endpoint } from '../../measurements/request-summary.ts';
import { otherLabel, type Metric } from './metric.ts';

const seconds = [0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const batchSizes = [1, 2, 4, 8, 16, 32, 64, 128, 256];

const endpoints = [
  'graphql',
  'operation',
  'autodialer',
  'page',
  'health',
  otherLabel,
] as const satisfies Endpoint[];
/** The codes of a request without an error, and of one whose client had gone before the response. */
export const successCode = 'OK';
export const abortedCode = 'ABORTED';
const codes = [successCode, abortedCode, ...Object.keys(errorTable), otherLabel];

/** The outcomes of a delete: executed, the stored response of a repeated call, a dry run, or the code of its error. */
const deleteErrors = [
  'ALREADY_EXISTS',
  'BAD_USER_INPUT',
  'FORBIDDEN',
  'GROUP_PROTECTED',
  'GROUP_RETIRED',
  'HAS_ACTIVE_SUBSCRIBERS',
  'IDEMPOTENCY_IN_PROGRESS',
  'IDEMPOTENCY_KEY_REUSED',
  'INTERNAL_SERVER_ERROR',
  'NOT_FOUND',
  'SERVICE_UNAVAILABLE',
  'VERSION_CONFLICT',
] as const satisfies ErrorCode[];
const deleteOutcomes = ['done', 'replayed', 'dry-run', ...deleteErrors, otherLabel];
const statementKinds = ['joint', 'alone'] as const satisfies FinishedBatch['kind'][];

/** The metrics of requests, of the overload protection and of deletes. */
export const requestMetrics = {
  // Requests.
  group_api_requests_total: {
    type: 'counter',
    help:
      'Requests by kind of endpoint, root field and code of the first error (OK: none; ABORTED: the client had gone). Without ' +
      'those that were rejected under overload before they were read',
    labels: { endpoint: endpoints, field: 'rootField', code: codes },
    isSparse: true,
  },
  group_api_request_duration_seconds: {
    type: 'histogram',
    help: 'Time from the head of a request to the end of its response. Without subscriptions, which stay open',
    labels: { endpoint: endpoints, field: 'rootField' },
    buckets: seconds,
    isSparse: true,
  },
  group_api_failed_sign_ins_total: {
    type: 'counter',
    help: 'Requests with wrong credentials: a key or token, or a username and password',
    labels: { credential: ['token', 'basic'] },
  },
  group_api_rate_limited_total: {
    type: 'counter',
    help: 'Requests that were rejected with RATE_LIMITED',
  },

  // Overload.
  group_api_concurrent_requests: {
    type: 'gauge',
    combine: 'sum',
    help: 'Requests that occupy one of MAX_CONCURRENT_REQUESTS: with a complete body, or uploads that are being received',
    labels: { kind: ['buffered', 'streamed'] },
  },
  group_api_concurrent_requests_max: {
    type: 'gauge',
    combine: 'sum',
    help: 'MAX_CONCURRENT_REQUESTS, of all WORKERS together',
  },
  group_api_overload_rejections_total: {
    type: 'counter',
    help: 'Requests that were rejected with 503 under overload: too many at a time, or a late event loop',
    labels: { reason: ['concurrent-requests', 'event-loop-delay'] },
  },

  // Deletes.
  group_api_deletes_total: {
    type: 'counter',
    help: 'Calls of deleteGroup, with the deletes of retired groups, and of deleteGroups by outcome: done, replayed, dry-run, or the code of the error',
    labels: { operation: ['deleteGroup', 'deleteGroups'], outcome: deleteOutcomes },
  },
  group_api_delete_batch_size: {
    type: 'histogram',
    help: 'Number of deletes in one statement; `alone`: those that are repeated one at a time after their batch failed',
    labels: { kind: statementKinds },
    buckets: batchSizes,
  },
  group_api_delete_wait_seconds: {
    type: 'histogram',
    help: 'Time that a delete waited for its statement to start',
    buckets: seconds,
  },
  group_api_delete_statement_seconds: {
    type: 'histogram',
    help: 'Time of a statement of deletes, with its commit',
    labels: { kind: statementKinds },
    buckets: seconds,
  },
  group_api_delete_queue: {
    type: 'gauge',
    combine: 'sum',
    help: 'Deletes that wait for a statement, and statements that run',
    labels: { state: ['waiting', 'running'] },
  },
  group_api_idempotency_replays_total: {
    type: 'counter',
    help: 'Calls that got the stored response of an earlier call with the same Idempotency-Key',
  },
  group_api_idempotency_conflicts_total: {
    type: 'counter',
    help: 'Calls that were rejected because of their Idempotency-Key',
    labels: { code: ['IDEMPOTENCY_KEY_REUSED', 'IDEMPOTENCY_IN_PROGRESS'] },
  },
  group_api_retired_groups_due: {
    type: 'gauge',
    combine: 'max',
    help: 'Retired groups whose date has come, and which wait for their last active subscriber, a lock or an operator; up to 1000',
  },

  group_api_retired_groups_deleted_total: {
    type: 'counter',
    help: 'Retired groups that this server deleted',
  },
} as const satisfies Readonly<Record<string, Metric>>;
