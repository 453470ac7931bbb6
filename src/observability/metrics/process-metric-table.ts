import type { Metric } from './metric.ts';

const pauseSeconds = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1];

/** The metrics of the process and of Node, under the names that ready-made dashboards for Node use. */
export const processMetrics = {
  process_start_time_seconds: {
    type: 'gauge',
    combine: 'min',
    help: 'When the process started, in seconds since 1970; of WORKERS, the one that starts them',
  },
  process_cpu_seconds_total: {
    type: 'counter',
    help: 'CPU time of the process, or of all WORKERS',
  },
  process_resident_memory_bytes: {
    type: 'gauge',
    combine: 'sum',
    help: 'Resident memory of the process, or of all WORKERS',
  },
  nodejs_heap_size_used_bytes: {
    type: 'gauge',
    combine: 'sum',
    help: 'Used heap of V8',
  },
  nodejs_heap_size_total_bytes: {
    type: 'gauge',
    combine: 'sum',
    help: 'Size of the heap of V8',
  },
  nodejs_gc_duration_seconds: {
    type: 'histogram',
    help: 'Time of garbage collections, during which the process does nothing else',
    labels: { kind: ['minor', 'major', 'incremental', 'weakcb'] },
    buckets: pauseSeconds,
  },
  nodejs_eventloop_lag_mean_seconds: {
    type: 'gauge',
    combine: 'max',
    help: 'Mean delay of the event loop since the last scrape; of WORKERS, the highest',
  },
  nodejs_eventloop_lag_p99_seconds: {
    type: 'gauge',
    combine: 'max',
    help: '99th percentile of the delay of the event loop since the last scrape; of WORKERS, the highest',
  },
  nodejs_eventloop_lag_max_seconds: {
    type: 'gauge',
    combine: 'max',
    help: 'Maximum delay of the event loop since the last scrape; of WORKERS, the highest',
  },
} as const satisfies Readonly<Record<string, Metric>>;
