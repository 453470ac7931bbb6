import type { JobOutcome, RadiusAttempt } from '../../measurements/channels.ts';
import { otherLabel, type Metric } from './metric.ts';
import { processMetrics } from './process-metric-table.ts';
import { requestMetrics } from './request-metric-table.ts';

const delaySeconds = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300];
const attemptSeconds = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15];
/** With the retransmissions of RADIUS_TIMEOUT_MS, eleven times as long: 33 s by default. */
const radiusSeconds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];
const radiusOutcomes = [
  'ack',
  'session-not-found',
  'nak',
  'no-response',
  'not-sent',
  'session-ended',
] as const satisfies RadiusAttempt['outcome'][];

const jobOutcomes = ['done', 'blocked', 'unavailable', 'failed'] as const satisfies JobOutcome[];
/** The tables that grow. */
export const measuredTables = [
  'groups',
  'subscribers',
  'subscriber_history',
  'deleted_groups',
  'audit_events',
  'idempotency_keys',
  'webhook_deliveries',
] as const;
/** The tables with a partition for each month. */
export const partitionedTables = ['audit_events', 'subscriber_history'] as const;
/** What the purge removes: the names of `startPurgeJob` in app.ts. */
const purgedKinds = [
  'deletedGroups',
  'numberGroups',
  'idempotencyKeys',
  'partitions',
  'webhookDeliveries',
  'radiusDeliveries',
  otherLabel,
] as const;

/** Every metric. docs/metrics.md is generated from this table. */
export const metrics = {
  ...requestMetrics,

  // Database.
  group_api_database_available: {
    type: 'gauge',
    combine: 'min',
    help: '1 if the database responds, 0 if it does not. A standby responds',
  },
  group_api_database_standby: {
    type: 'gauge',
    combine: 'max',
    help: '1 if the database is a standby, which rejects writes',
  },
  group_api_database_connections: {
    type: 'gauge',
    combine: 'sum',
    help: 'Open connections of the pool',
    labels: { state: ['idle', 'busy'] },
  },
  group_api_database_connections_max: {
    type: 'gauge',
    combine: 'sum',
    help: 'Maximum size of the pool: DATABASE_POOL_SIZE, or the shares of the WORKERS',
  },
  group_api_database_waiting: {
    type: 'gauge',
    combine: 'sum',
    help: 'Statements that wait for a connection of the pool',
  },
  group_api_table_rows: {
    type: 'gauge',
    combine: 'max',
    help: "Rows of a table with its partitions, as PostgreSQL's planner estimates them. No sample before the first ANALYZE",
    labels: { table: measuredTables },
  },
  group_api_table_bytes: {
    type: 'gauge',
    combine: 'max',
    help: 'Size of a table with its partitions and indexes on disk',
    labels: { table: measuredTables },
  },
  group_api_partitions_end_timestamp_seconds: {
    type: 'gauge',
    combine: 'max',
    help: 'End of the last month that has a partition, in seconds since 1970; the server creates those of three months ahead',
    labels: { table: partitionedTables },
  },

  // Events.
  group_api_event_lag_seconds: {
    type: 'gauge',
    combine: 'max',
    help:
      'Age of the oldest event that an enabled webhook has not received: `read`: it is still in the audit log; `delivery`: ' +
      'its delivery is pending, also between two attempts',
    labels: { stage: ['read', 'delivery'] },
  },
  group_api_event_read_delay_seconds: {
    type: 'histogram',
    help: 'Age of the oldest event of a page that was read for webhooks or subscriptions',
    labels: { reader: ['webhooks', 'subscriptions'] },
    buckets: delaySeconds,
  },
  group_api_webhook_deliveries_pending: {
    type: 'gauge',
    combine: 'max',
    help: 'Deliveries to enabled webhooks that wait for an attempt',
  },
  group_api_webhook_endpoints: {
    type: 'gauge',
    combine: 'max',
    help:
      'Webhooks by state: `healthy`; `retrying`: the last attempt failed; `failing`: a delivery has no attempts left; ' +
      '`disabled` by an operator, by 410, or after five days of failures',
    labels: { state: ['healthy', 'retrying', 'failing', 'disabled'] },
  },
  group_api_webhook_attempts_total: {
    type: 'counter',
    help: 'Attempts of this server to deliver an event: delivered, to be retried, or finally failed',
    labels: { outcome: ['delivered', 'retried', 'failed'] },
  },
  group_api_webhook_attempt_duration_seconds: {
    type: 'histogram',
    help: 'Time of an attempt to deliver an event, by its result',
    labels: { result: ['success', 'failure'] },
    buckets: attemptSeconds,
  },
  group_api_radius_deliveries_pending: {
    type: 'gauge',
    combine: 'max',
    help: 'Changes of sessions that wait for a NAS: for their first attempt, or for another one; up to 10000. No sample unless RADIUS requests are sent',
    labels: { attempt: ['first', 'retry'] },
  },
  group_api_radius_deliveries_total: {
    type: 'counter',
    help: 'Changes of sessions that this server delivered to a NAS, or that have finally failed',
    labels: { outcome: ['delivered', 'failed'] },
  },
  group_api_radius_attempts_total: {
    type: 'counter',
    help:
      'Attempts of this server to deliver a change to a session, by the kind of the last request: confirmed (`ack`), rejected (`nak`), ' +
      'without a valid response, or not sent, as the table `nas` has no secret. `session-not-found` and `session-ended` are successes',
    labels: { kind: ['disconnect', 'coa', 'none'], outcome: radiusOutcomes },
    isSparse: true,
  },
  group_api_radius_attempt_duration_seconds: {
    type: 'histogram',
    help: 'Time of an attempt that has sent a request to a NAS, with its retransmissions, by its result',
    labels: { result: ['success', 'failure'] },
    buckets: radiusSeconds,
  },
  group_api_open_subscriptions: {
    type: 'gauge',
    combine: 'sum',
    help: 'Open subscriptions',
  },
  group_api_open_subscriptions_max: {
    type: 'gauge',
    combine: 'sum',
    help: 'MAX_SUBSCRIPTIONS, of all WORKERS together',
  },

  // Jobs.
  group_api_purge_runs_total: {
    type: 'counter',
    help: 'Runs of the purge of expired rows, one a minute: `blocked` by a lock or a time limit, and repeated',
    labels: { outcome: jobOutcomes },
  },
  group_api_purge_last_success_timestamp_seconds: {
    type: 'gauge',
    combine: 'max',
    help: 'When the purge of this server was last complete, in seconds since 1970',
  },
  group_api_purged_rows_total: {
    type: 'counter',
    help: 'Rows that the purge removed; partitions, for those of months',
    labels: { kind: purgedKinds },
  },

  // Processes
  group_api_build_info: {
    type: 'gauge',
    combine: 'max',
    help: 'Always 1; the labels are the versions of group-api and Node',
    labels: { version: 'constant', node_version: 'constant' },
    isSparse: true,
  },
  group_api_workers: {
    type: 'gauge',
    combine: 'sum',
    help: 'Processes that serve: 1, or those of the WORKERS that serve now',
  },
  group_api_worker_restarts_total: {
    type: 'counter',
    help: 'Workers that ended unexpectedly and were replaced',
  },
  group_api_tls_certificate_expiry_timestamp_seconds: {
    type: 'gauge',
    combine: 'min',
    help: 'When the certificate of TLS_CERT_FILE expires, in seconds since 1970. No sample without TLS',
  },
  ...processMetrics,
} as const satisfies Readonly<Record<string, Metric>>;

export type MetricName = keyof typeof metrics;

/** The names of the metrics of a type. */
export type NamesOf<Type extends Metric['type']> = {
  [Name in MetricName]: (typeof metrics)[Name]['type'] extends Type ? Name : never;
}[MetricName];
