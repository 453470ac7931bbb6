import {
  batchFinished,
  deliveriesStored,
  eventsRead,
  mutationFinished,
  purgeFinished,
  radiusAttempted,
  requestFinished,
  requestRejected,
  retirementFinished,
  signInFailed,
  webhookAttempted,
  type FinishedMutation,
  type MeasurementChannel,
} from '../../measurements/channels.ts';
import type { RequestSummary } from '../../measurements/request-summary.ts';

import { noField, severalFields } from './metric.ts';
import type { MetricSet } from './metric-set.ts';
import { abortedCode, successCode } from './request-metric-table.ts';

const milliseconds = 1e-3;

/**
 * Counts what the parts of the server publish, until the function that is returned is called. A new part is a row of
 * the metric table and a function here.
 */
export function measureChannels(metrics: MetricSet): () => void {
  const stops: (() => void)[] = [];
  const listen: Listen = (channel, listener) => {
    channel.subscribe(listener);
    stops.push(() => channel.unsubscribe(listener));
  };
  measureRequests(metrics, listen);
  measureMutations(metrics, listen);
  measureEvents(metrics, listen);
  measureRadius(metrics, listen);
  measureJobs(metrics, listen);
  return () => {
    for (const stop of stops) stop();
  };
}

type Listen = <Message>(channel: MeasurementChannel<Message>, listener: (message: Message) => void) => void;

function measureRequests(metrics: MetricSet, listen: Listen): void {
  const rateLimited = metrics.counter('group_api_rate_limited_total');
  listen(requestFinished, (summary) => {
    const { endpoint, errorCode, isStream, durationMs } = summary;
    const field = fieldOf(summary);
    metrics.counter('group_api_requests_total', endpoint, field, codeOf(summary)).inc();
    if (!isStream)
      metrics
        .histogram('group_api_request_duration_seconds', endpoint, field)
        .observe(durationMs * milliseconds);
    if (errorCode === 'RATE_LIMITED') rateLimited.inc();
  });

  listen(requestRejected, ({ reason }) =>
    metrics.counter('group_api_overload_rejections_total', reason).inc(),
  );
  listen(signInFailed, ({ credential }) =>
    metrics.counter('group_api_failed_sign_ins_total', credential).inc(),
  );
}

function fieldOf({ rootFields }: Readonly<RequestSummary>): string {
  if (rootFields.length > 1) return severalFields;
  return rootFields[0] ?? noField;
}

function codeOf({ errorCode, status }: Readonly<RequestSummary>): string {
  return errorCode ?? (status === undefined ? abortedCode : successCode);
}

function measureMutations(metrics: MetricSet, listen: Listen): void {
  const replays = metrics.counter('group_api_idempotency_replays_total');
  listen(mutationFinished, (mutation) => {
    const { operation, outcome, errorCode } = mutation;
    if (operation === 'deleteGroup' || operation === 'deleteGroups')
      metrics.counter('group_api_deletes_total', operation, outcomeOf(mutation)).inc();
    if (outcome === 'replayed') replays.inc();
    if (errorCode === 'IDEMPOTENCY_KEY_REUSED' || errorCode === 'IDEMPOTENCY_IN_PROGRESS')
      metrics.counter('group_api_idempotency_conflicts_total', errorCode).inc();
  });

  const waits = metrics.histogram('group_api_delete_wait_seconds');
  listen(batchFinished, ({ kind, size, statementMs, waitsMs }) => {
    metrics.histogram('group_api_delete_batch_size', kind).observe(size);
    metrics.histogram('group_api_delete_statement_seconds', kind).observe(statementMs * milliseconds);
    for (const waitMs of waitsMs) waits.observe(waitMs * milliseconds);
  });
}

function outcomeOf({ outcome, errorCode }: FinishedMutation): string {
  return outcome === 'rejected' ? (errorCode ?? 'INTERNAL_SERVER_ERROR') : outcome;
}

function measureEvents(metrics: MetricSet, listen: Listen): void {
  listen(eventsRead, ({ reader, lagMs }) =>
    metrics.histogram('group_api_event_read_delay_seconds', reader).observe(lagMs * milliseconds),
  );

  const successes = metrics.histogram('group_api_webhook_attempt_duration_seconds', 'success');
  const failures = metrics.histogram('group_api_webhook_attempt_duration_seconds', 'failure');
  listen(webhookAttempted, ({ isSuccess, durationMs }) =>
    (isSuccess ? successes : failures).observe(durationMs * milliseconds),
  );

  const delivered = metrics.counter('group_api_webhook_attempts_total', 'delivered');
  const retried = metrics.counter('group_api_webhook_attempts_total', 'retried');
  const failed = metrics.counter('group_api_webhook_attempts_total', 'failed');
  listen(deliveriesStored, (counts) => {
    delivered.inc(counts.delivered);
    retried.inc(counts.pending);
    failed.inc(counts.failed);
  });
}

function measureRadius(metrics: MetricSet, listen: Listen): void {
  const successes = metrics.histogram('group_api_radius_attempt_duration_seconds', 'success');
  const failures = metrics.histogram('group_api_radius_attempt_duration_seconds', 'failure');
  listen(radiusAttempted, ({ request, outcome, status, durationMs }) => {
    metrics.counter('group_api_radius_attempts_total', request, outcome).inc();
    if (request !== 'none')
      (status === 'delivered' ? successes : failures).observe(durationMs * milliseconds);
    if (status !== 'pending') metrics.counter('group_api_radius_deliveries_total', status).inc();
  });
}

function measureJobs(metrics: MetricSet, listen: Listen): void {
  const lastSuccess = metrics.gauge('group_api_purge_last_success_timestamp_seconds');
  listen(purgeFinished, ({ outcome, removed }) => {
    metrics.counter('group_api_purge_runs_total', outcome).inc();
    if (outcome === 'done') lastSuccess.set(Math.round(Date.now() / 1000));
    for (const [kind, count] of Object.entries(removed))
      if (count > 0) metrics.counter('group_api_purged_rows_total', kind).inc(count);
  });

  const retired = metrics.counter('group_api_retired_groups_deleted_total');
  listen(retirementFinished, ({ deleted }) => retired.inc(deleted));
}
