/** Series of a test of promtool, by their name and labels: values by its notation, one a minute. */
type InputSeries = Readonly<Record<string, string>>;

/** When an alert fires and when it does not, after a time such as `5m`. */
export type AlertCase = {
  readonly at: string;
  readonly firing: InputSeries;
  readonly quiet: InputSeries;
};

const of = (name: string, labels = '') =>
  `${name}{job="group-api",instance="one:9464"${labels && `,${labels}`}}`;
const ofTwo = (name: string, labels = '') =>
  `${name}{job="group-api",instance="two:9464"${labels && `,${labels}`}}`;
const duration = (le: string) =>
  of('group_api_request_duration_seconds_bucket', `endpoint="operation",field="deleteGroup",le="${le}"`);
const requests = (code: string) =>
  of('group_api_requests_total', `endpoint="graphql",field="group",code="${code}"`);
const endpoints = (state: string) => of('group_api_webhook_endpoints', `state="${state}"`);
const radiusPending = (attempt: string) => of('group_api_radius_deliveries_pending', `attempt="${attempt}"`);
const radiusFailed = of('group_api_radius_deliveries_total', 'outcome="failed"');
const day = 86_400;

/** Each alert, with a case in which it fires and a similar one in which it must not. Tests begin at time 0. */
export const alertCases: Readonly<Record<string, AlertCase>> = {
  GroupApiDown: {
    at: '3m',
    firing: { [of('up')]: '1 0 0 0' },
    // One failed scrape.
    quiet: { [of('up')]: '1 1 0 1' },
  },
  GroupApiRestarting: {
    at: '15m',
    firing: { [of('process_start_time_seconds')]: '100x4 400x3 700x3 900x4' },
    // An update of the server.
    quiet: {
      [of('process_start_time_seconds')]: '100x8 400x8',
      [of('group_api_worker_restarts_total')]: '0x8 1x8',
    },
  },
  GroupApiDatabaseUnavailable: {
    at: '3m',
    firing: { [of('group_api_database_available')]: '1 0 0 0' },
    quiet: { [of('group_api_database_available')]: '1 1 1 1', [of('group_api_database_standby')]: '1 1 1 1' },
  },
  GroupApiDatabaseStandby: {
    at: '3m',
    firing: { [of('group_api_database_standby')]: '0 1 1 1' },
    // A failover.
    quiet: { [of('group_api_database_standby')]: '0 1 0 0' },
  },
  GroupApiPoolExhausted: {
    at: '4m',
    firing: { [of('group_api_database_waiting')]: '0 5 9 12 3' },
    // A peak, and another one.
    quiet: { [of('group_api_database_waiting')]: '0 50 0 50 0' },
  },
  GroupApiOverload: {
    at: '8m',
    firing: { [of('group_api_overload_rejections_total', 'reason="concurrent-requests"')]: '0+60x8' },
    quiet: { [of('group_api_overload_rejections_total', 'reason="concurrent-requests"')]: '0x4 2x4' },
  },
  GroupApiErrors: {
    at: '12m',
    firing: { [requests('OK')]: '0+100x12', [requests('SERVICE_UNAVAILABLE')]: '0+5x12' },
    // Errors of callers.
    quiet: {
      [requests('OK')]: '0+1000x12',
      [requests('NOT_FOUND')]: '0+500x12',
      [requests('INTERNAL_SERVER_ERROR')]: '0+1x12',
    },
  },
  GroupApiSlowDeletes: {
    at: '12m',
    firing: { [duration('1')]: '0+90x12', [duration('2.5')]: '0+100x12', [duration('+Inf')]: '0+100x12' },
    quiet: { [duration('0.5')]: '0+100x12', [duration('1')]: '0+100x12', [duration('+Inf')]: '0+100x12' },
  },
  GroupApiEventLoopBlocked: {
    at: '7m',
    firing: { [of('nodejs_eventloop_lag_p99_seconds')]: '0.01 0.5x6' },
    // One long request.
    quiet: { [of('nodejs_eventloop_lag_p99_seconds')]: '0.01x2 0.5 0.01x4' },
  },
  GroupApiFailedSignIns: {
    at: '12m',
    firing: { [of('group_api_failed_sign_ins_total', 'credential="token"')]: '0+120x12' },
    quiet: { [of('group_api_failed_sign_ins_total', 'credential="token"')]: '0+10x12' },
  },
  GroupApiIdempotencyConflicts: {
    at: '15m',
    firing: { [of('group_api_idempotency_conflicts_total', 'code="IDEMPOTENCY_KEY_REUSED"')]: '0+1x15' },
    // Retries while the first call is running.
    quiet: {
      [of('group_api_idempotency_conflicts_total', 'code="IDEMPOTENCY_KEY_REUSED"')]: '0x7 1x8',
      [of('group_api_idempotency_conflicts_total', 'code="IDEMPOTENCY_IN_PROGRESS"')]: '0+50x15',
    },
  },
  GroupApiSubscriptionsFull: {
    at: '7m',
    firing: {
      [of('group_api_open_subscriptions')]: '950x7',
      [of('group_api_open_subscriptions_max')]: '1000x7',
    },
    // Subscriptions are disabled.
    quiet: {
      [of('group_api_open_subscriptions')]: '0x7',
      [of('group_api_open_subscriptions_max')]: '0x7',
    },
  },
  GroupApiEventsNotRead: {
    at: '5m',
    firing: { [of('group_api_event_lag_seconds', 'stage="read"')]: '0 60+60x5' },
    // The receiver is unavailable, which is another alert.
    quiet: {
      [of('group_api_event_lag_seconds', 'stage="read"')]: '0x5',
      [of('group_api_event_lag_seconds', 'stage="delivery"')]: '0+600x5',
    },
  },
  GroupApiWebhookFailing: {
    at: '12m',
    firing: { [endpoints('retrying')]: '0 1x12', [endpoints('healthy')]: '1 0x12' },
    // A receiver that was unavailable for some minutes, and one that an operator has disabled.
    quiet: { [endpoints('retrying')]: '0 1x5 0x6', [endpoints('disabled')]: '1x12' },
  },
  GroupApiWebhookDisabled: {
    at: '30m',
    firing: { [endpoints('disabled')]: '1x10 2x20' },
    quiet: { [endpoints('disabled')]: '2x30' },
  },
  GroupApiRadiusFailing: {
    at: '22m',
    firing: { [radiusPending('retry')]: '0x4 2x18', [radiusFailed]: '0x22' },
    // A NAS that restarts, and the deliveries of a large change.
    quiet: {
      [radiusPending('retry')]: '0x4 2x7 0x11',
      [radiusPending('first')]: '500x22',
      [radiusFailed]: '3x22',
    },
  },
  GroupApiPurgeNotRunning: {
    at: '25m',
    firing: {
      [of('group_api_purge_last_success_timestamp_seconds')]: '60x25',
      [ofTwo('group_api_purge_last_success_timestamp_seconds')]: '120x25',
    },
    // One of two servers.
    quiet: {
      [of('group_api_purge_last_success_timestamp_seconds')]: '60x25',
      [ofTwo('group_api_purge_last_success_timestamp_seconds')]: '0+60x25',
    },
  },
  GroupApiPartitionsMissing: {
    at: '90m',
    firing: { [of('group_api_partitions_end_timestamp_seconds', 'table="audit_events"')]: `${20 * day}x90` },
    quiet: { [of('group_api_partitions_end_timestamp_seconds', 'table="audit_events"')]: `${90 * day}x90` },
  },
  GroupApiCertificateExpires: {
    at: '90m',
    firing: { [of('group_api_tls_certificate_expiry_timestamp_seconds')]: `${10 * day}x90` },
    quiet: { [of('group_api_tls_certificate_expiry_timestamp_seconds')]: `${80 * day}x90` },
  },
};
