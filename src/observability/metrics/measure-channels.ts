import {
  batchFinished,
  deliveriesStored,
  eventsRead,
  mutationFinished,
  purgeFinished,
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
import type { Registry } from './registry.ts';
import { abortedCode, successCode } from './request-metric-table.ts';

const milliseconds = 1e-3;

/**
 * Counts what the parts of the server publish, until the function that is returned is called. A new part, such as the
 * deliveries of RADIUS, is a row of the metric table and a function here.
 */
export function measureChannels(registry: Registry): () => void {
  const stops: (() => void)[] = [];
  const listen: Listen = (channel, listener) => {
    channel.subscribe(listener);
    stops.push(() => channel.unsubscribe(listener));
  };
  measureRequests(registry, listen);
  measureMutations(registry, listen);
  measureEvents(registry, listen);
  measureJobs(registry, listen);
  return () => {
    for (const stop of stops) stop();
  };
}

type Listen = <Message>(channel: MeasurementChannel<Message>, listener: (message: Message) => void) => void;

function measureRequests(registry: Registry, listen: Listen): void {
  const requests = registry.counter('group_api_requests_total');
  const durations = registry.histogram('group_api_request_duration_seconds');
  const rateLimited = registry.counter('group_api_rate_limited_total').cell();
  listen(requestFinished, (summary) => {
    const { endpoint, errorCode, isStream, durationMs } = summary;
    const field = fieldOf(summary);
    requests.cell(endpoint, field, codeOf(summary)).value++;
    if (!isStream) durations.cell(endpoint, field).observe(durationMs * milliseconds);
    if (errorCode === 'RATE_LIMITED') rateLimited.value++;
  });

  const rejections = registry.counter('group_api_overload_rejections_total');
  listen(requestRejected, ({ reason }) => void rejections.cell(reason).value++);
  const failedSignIns = registry.counter('group_api_failed_sign_ins_total');
  listen(signInFailed, ({ credential }) => void failedSignIns.cell(credential).value++);
}

function fieldOf({ rootFields }: Readonly<RequestSummary>): string {
  if (rootFields.length > 1) return severalFields;
  return rootFields[0] ?? noField;
}

function codeOf({ errorCode, status }: Readonly<RequestSummary>): string {
  return errorCode ?? (status === undefined ? abortedCode : successCode);
}

function measureMutations(registry: Registry, listen: Listen): void {
  const deletes = registry.counter('group_api_deletes_total');
  const replays = registry.counter('group_api_idempotency_replays_total').cell();
  const conflicts = registry.counter('group_api_idempotency_conflicts_total');
  listen(mutationFinished, (mutation) => {
    const { operation, outcome, errorCode } = mutation;
    if (operation === 'deleteGroup' || operation === 'deleteGroups')
      deletes.cell(operation, outcomeOf(mutation)).value++;
    if (outcome === 'replayed') replays.value++;
    if (errorCode === 'IDEMPOTENCY_KEY_REUSED' || errorCode === 'IDEMPOTENCY_IN_PROGRESS')
      conflicts.cell(errorCode).value++;
  });

  const sizes = registry.histogram('group_api_delete_batch_size');
  const waits = registry.histogram('group_api_delete_wait_seconds').cell();
  const statements = registry.histogram('group_api_delete_statement_seconds');
  listen(batchFinished, ({ kind, size, statementMs, waitsMs }) => {
    sizes.cell(kind).observe(size);
    statements.cell(kind).observe(statementMs * milliseconds);
    for (const waitMs of waitsMs) waits.observe(waitMs * milliseconds);
  });
}

function outcomeOf({ outcome, errorCode }: FinishedMutation): string {
  return outcome === 'rejected' ? (errorCode ?? 'INTERNAL_SERVER_ERROR') : outcome;
}

function measureEvents(registry: Registry, listen: Listen): void {
  const delays = registry.histogram('group_api_event_read_delay_seconds');
  listen(eventsRead, ({ reader, lagMs }) => delays.cell(reader).observe(lagMs * milliseconds));

  const durations = registry.histogram('group_api_webhook_attempt_duration_seconds');
  listen(webhookAttempted, ({ isSuccess, durationMs }) =>
    durations.cell(isSuccess ? 'success' : 'failure').observe(durationMs * milliseconds),
  );

  const outcomes = registry.counter('group_api_webhook_attempts_total');
  const delivered = outcomes.cell('delivered');
  const retried = outcomes.cell('retried');
  const failed = outcomes.cell('failed');
  listen(deliveriesStored, (counts) => {
    delivered.value += counts.delivered;
    retried.value += counts.pending;
    failed.value += counts.failed;
  });
}

function measureJobs(registry: Registry, listen: Listen): void {
  const runs = registry.counter('group_api_purge_runs_total');
  const lastSuccess = registry.gauge('group_api_purge_last_success_timestamp_seconds').cell();
  const removedRows = registry.counter('group_api_purged_rows_total');
  listen(purgeFinished, ({ outcome, removed }) => {
    runs.cell(outcome).value++;
    if (outcome === 'done') lastSuccess.value = Math.round(Date.now() / 1000);
    for (const [kind, count] of Object.entries(removed)) if (count > 0) removedRows.cell(kind).value += count;
  });

  const retired = registry.counter('group_api_retired_groups_deleted_total').cell();
  listen(retirementFinished, ({ deleted }) => void (retired.value += deleted));
}
