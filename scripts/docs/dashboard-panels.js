// The panels of docs/grafana-dashboard.json, by row. Each query is PromQL with `$of` for the labels that select the
// servers, and the legend of its series. `unit` is a unit of Grafana.

/** The rate of a counter, or of each of its series. */
const rate = (metric, by = '') =>
  `sum${by && ` by (${by})`} (rate(${metric.includes('{') ? metric.replace('{', '{$of,') : `${metric}{$of}`}[$__rate_interval]))`;
/** A quantile of a histogram. */
const quantile = (q, metric, by = '') =>
  `histogram_quantile(${q}, ${rate(metric.replace(/(\{|$)/, '_bucket$1'), by ? `${by}, le` : 'le')})`;
const failures = 'group_api_requests_total{code=~"INTERNAL_SERVER_ERROR|SERVICE_UNAVAILABLE"}';

export const rows = [
  {
    title: 'Now',
    panels: [
      {
        title: 'Servers',
        type: 'stat',
        unit: 'none',
        queries: [['sum(group_api_workers{$of})', 'processes that serve']],
        colors: [
          [null, 'red'],
          [1, 'green'],
        ],
      },
      {
        title: 'Database',
        type: 'stat',
        unit: 'none',
        // 0: unavailable, 1: a standby, 2: available.
        queries: [
          ['2 * min(group_api_database_available{$of}) - max(group_api_database_standby{$of})', 'database'],
        ],
        colors: [
          [null, 'red'],
          [1, 'orange'],
          [2, 'green'],
        ],
        texts: { 0: 'unavailable', 1: 'standby', 2: 'available' },
      },
      {
        title: 'Deletes per second',
        type: 'stat',
        unit: 'ops',
        queries: [[rate('group_api_deletes_total{outcome="done"}'), 'deletes']],
      },
      {
        title: 'Failed requests (500, 503)',
        type: 'stat',
        unit: 'percentunit',
        queries: [[`(${rate(failures)} or vector(0)) / ${rate('group_api_requests_total')}`, 'failed']],
        colors: [
          [null, 'green'],
          [0.001, 'orange'],
          [0.01, 'red'],
        ],
      },
      {
        title: 'Oldest event that waits',
        type: 'stat',
        unit: 's',
        queries: [['max(group_api_event_lag_seconds{$of})', 'age']],
        colors: [
          [null, 'green'],
          [60, 'orange'],
          [900, 'red'],
        ],
      },
      {
        title: 'Certificate expires in',
        type: 'stat',
        unit: 's',
        queries: [['min(group_api_tls_certificate_expiry_timestamp_seconds{$of}) - time()', 'certificate']],
        colors: [
          [null, 'red'],
          [7 * 86_400, 'orange'],
          [14 * 86_400, 'green'],
        ],
      },
    ],
  },
  {
    title: 'Requests',
    panels: [
      {
        title: 'Requests by root field',
        unit: 'reqps',
        queries: [[rate('group_api_requests_total', 'field'), '{{field}}']],
      },
      {
        title: 'Requests by endpoint',
        unit: 'reqps',
        queries: [[rate('group_api_requests_total', 'endpoint'), '{{endpoint}}']],
      },
      {
        title: 'Errors by code',
        unit: 'reqps',
        queries: [[rate('group_api_requests_total{code!="OK"}', 'code'), '{{code}}']],
      },
      {
        title: 'Latency',
        unit: 's',
        queries: [0.5, 0.95, 0.99].map((q) => [
          quantile(q, 'group_api_request_duration_seconds{endpoint!="other"}'),
          `p${q * 100}`,
        ]),
      },
      {
        title: 'Latency by root field (p99)',
        unit: 's',
        queries: [[quantile(0.99, 'group_api_request_duration_seconds', 'field'), '{{field}}']],
      },
      {
        title: 'Concurrent requests',
        unit: 'none',
        queries: [
          ['sum by (kind) (group_api_concurrent_requests{$of})', '{{kind}}'],
          ['sum(group_api_concurrent_requests_max{$of})', 'maximum'],
        ],
      },
      {
        title: 'Rejected before their execution',
        unit: 'reqps',
        queries: [
          [rate('group_api_overload_rejections_total'), 'overload'],
          [rate('group_api_rate_limited_total'), 'rate limit'],
          [rate('group_api_failed_sign_ins_total'), 'wrong credentials'],
        ],
      },
    ],
  },
  {
    title: 'Deletes',
    panels: [
      {
        title: 'Deletes by outcome',
        unit: 'ops',
        queries: [[`${rate('group_api_deletes_total', 'outcome')} > 0`, '{{outcome}}']],
      },
      {
        title: 'Latency of deleteGroup',
        unit: 's',
        queries: [0.5, 0.95, 0.99].map((q) => [
          quantile(q, 'group_api_request_duration_seconds{field="deleteGroup"}'),
          `p${q * 100}`,
        ]),
      },
      {
        title: 'Deletes in a statement',
        unit: 'none',
        queries: [
          [
            `${rate('group_api_delete_batch_size_sum')} / ${rate('group_api_delete_batch_size_count')}`,
            'mean',
          ],
          [quantile(0.95, 'group_api_delete_batch_size'), 'p95'],
        ],
      },
      {
        title: 'Wait and statement of deletes',
        unit: 's',
        queries: [
          [quantile(0.5, 'group_api_delete_wait_seconds'), 'wait, p50'],
          [quantile(0.99, 'group_api_delete_wait_seconds'), 'wait, p99'],
          [quantile(0.5, 'group_api_delete_statement_seconds'), 'statement, p50'],
          [quantile(0.99, 'group_api_delete_statement_seconds'), 'statement, p99'],
        ],
      },
      {
        title: 'Idempotency keys',
        unit: 'ops',
        queries: [
          [rate('group_api_idempotency_replays_total'), 'replayed'],
          [rate('group_api_idempotency_conflicts_total', 'code'), '{{code}}'],
        ],
      },
    ],
  },
  {
    title: 'Database',
    panels: [
      {
        title: 'Connections of the pool',
        unit: 'none',
        queries: [
          ['sum by (state) (group_api_database_connections{$of})', '{{state}}'],
          ['sum(group_api_database_connections_max{$of})', 'maximum'],
          ['sum(group_api_database_waiting{$of})', 'waiting statements'],
        ],
      },
      {
        title: 'Size of the tables',
        unit: 'bytes',
        queries: [['max by (table) (group_api_table_bytes{$of})', '{{table}}']],
      },
      {
        title: 'Rows (estimates)',
        unit: 'short',
        queries: [['max by (table) (group_api_table_rows{$of})', '{{table}}']],
      },
      {
        title: 'Partitions end in',
        unit: 's',
        queries: [['max by (table) (group_api_partitions_end_timestamp_seconds{$of}) - time()', '{{table}}']],
      },
      {
        title: 'Purge',
        unit: 'ops',
        queries: [
          [rate('group_api_purge_runs_total', 'outcome'), 'runs: {{outcome}}'],
          [rate('group_api_purged_rows_total', 'kind'), 'removed: {{kind}}'],
        ],
      },
      {
        title: 'Last complete purge',
        unit: 's',
        queries: [['time() - max(group_api_purge_last_success_timestamp_seconds{$of})', 'age']],
      },
      {
        title: 'Retired groups that are due',
        unit: 'none',
        queries: [['max(group_api_retired_groups_due{$of})', 'groups']],
      },
    ],
  },
  {
    title: 'Events',
    panels: [
      {
        title: 'Oldest event that waits, by stage',
        unit: 's',
        queries: [['max by (stage) (group_api_event_lag_seconds{$of})', '{{stage}}']],
      },
      {
        title: 'Attempts by outcome',
        unit: 'ops',
        queries: [[rate('group_api_webhook_attempts_total', 'outcome'), '{{outcome}}']],
      },
      {
        title: 'Time of an attempt',
        unit: 's',
        queries: [0.5, 0.95].map((q) => [
          quantile(q, 'group_api_webhook_attempt_duration_seconds'),
          `p${q * 100}`,
        ]),
      },
      {
        title: 'Webhooks by state',
        unit: 'none',
        queries: [['max by (state) (group_api_webhook_endpoints{$of})', '{{state}}']],
      },
      {
        title: 'Pending deliveries',
        unit: 'none',
        queries: [['max(group_api_webhook_deliveries_pending{$of})', 'deliveries']],
      },
      {
        title: 'Open subscriptions',
        unit: 'none',
        queries: [
          ['sum(group_api_open_subscriptions{$of})', 'open'],
          ['sum(group_api_open_subscriptions_max{$of})', 'maximum'],
        ],
      },
    ],
  },
  {
    title: 'RADIUS',
    panels: [
      {
        title: 'Attempts at NAS by outcome',
        unit: 'ops',
        queries: [[rate('group_api_radius_attempts_total', 'kind, outcome'), '{{kind}}: {{outcome}}']],
      },
      {
        title: 'Changes that wait for a NAS',
        unit: 'none',
        queries: [
          ['max by (attempt) (group_api_radius_deliveries_pending{$of})', '{{attempt}}'],
          [
            'sum(increase(group_api_radius_deliveries_total{$of,outcome="failed"}[$__rate_interval]))',
            'failed',
          ],
        ],
      },
      {
        title: 'Time of an attempt at a NAS',
        unit: 's',
        queries: [0.5, 0.95].map((q) => [
          quantile(q, 'group_api_radius_attempt_duration_seconds'),
          `p${q * 100}`,
        ]),
      },
    ],
  },
  {
    title: 'Processes',
    panels: [
      {
        title: 'Delay of the event loop',
        unit: 's',
        queries: ['mean', 'p99', 'max'].map((name) => [
          `max(nodejs_eventloop_lag_${name}_seconds{$of})`,
          name,
        ]),
      },
      {
        title: 'Time in garbage collections',
        unit: 'percentunit',
        queries: [[rate('nodejs_gc_duration_seconds_sum', 'kind'), '{{kind}}']],
      },
      {
        title: 'Memory',
        unit: 'bytes',
        queries: [
          ['sum by (instance) (process_resident_memory_bytes{$of})', '{{instance}}: resident'],
          ['sum by (instance) (nodejs_heap_size_total_bytes{$of})', '{{instance}}: heap'],
          ['sum by (instance) (nodejs_heap_size_used_bytes{$of})', '{{instance}}: used heap'],
        ],
      },
      {
        title: 'CPU',
        unit: 'percentunit',
        queries: [[rate('process_cpu_seconds_total', 'instance'), '{{instance}}']],
      },
      {
        title: 'Uptime',
        unit: 's',
        queries: [['time() - process_start_time_seconds{$of}', '{{instance}}']],
      },
      {
        title: 'Replaced workers',
        unit: 'none',
        queries: [
          [
            'sum by (instance) (increase(group_api_worker_restarts_total{$of}[$__rate_interval]))',
            '{{instance}}',
          ],
        ],
      },
      {
        title: 'Versions',
        type: 'table',
        unit: 'none',
        queries: [['max by (instance, version, node_version) (group_api_build_info{$of})', '']],
      },
    ],
  },
];
