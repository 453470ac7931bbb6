import type { Worker } from 'node:cluster';
import { AggregatorRegistry, type PrometheusContentType, type Registry } from 'prom-client';
import type { Config } from '../config/settings.ts';
import type { Logger } from '../log.ts';
import { createMetricSet, type Snapshot } from '../observability/metrics/metric-set.ts';
import { metrics as table, type MetricName } from '../observability/metrics/metric-table.ts';
import { serveMetrics } from '../observability/metrics/metrics-server.ts';
import { readVersion } from '../observability/metrics/open-metrics.ts';
import { measureProcess } from '../observability/metrics/process-metrics.ts';

/** The metrics of all workers, which the primary serves. */
type WorkerMetrics = {
  /** Adds a worker that serves. `request` asks it for its metrics. */
  add(worker: Worker, request: () => void): void;
  /** Receives the metrics of a worker. */
  receive(worker: Worker, snapshot: Snapshot): void;
  /** Removes a worker that has ended: its counts stay. */
  remove(worker: Worker): void;
  countRestart(): void;
  close(): Promise<void>;
};

type Source = {
  readonly request: () => void;
  /** As of the last scrape. */
  snapshot: Snapshot;
  /** Called when the next metrics arrive, or the worker has ended. */
  onReceived: () => void;
};

/** A worker that does not respond in this time is represented by the counts of its last response. */
const responseMs = 3000;

/**
 * Serves the metrics of all workers together. So that sums never decrease, the counts of a worker that does not
 * respond, or has ended, stay as they were at the last scrape. What it has counted since is lost.
 * @throws OperatorError if METRICS_HOST or METRICS_PORT cannot be used
 */
export async function openWorkerMetrics(config: Config, log: Logger): Promise<WorkerMetrics> {
  const sources = new Map<Worker, Source>();
  /** The counts of the workers that have ended. */
  let ended: Snapshot = [];
  const own = createMetricSet([]);
  const restarts = own.counter('group_api_worker_restarts_total');
  own.gauge('group_api_workers').set(0);

  const read = async (source: Source): Promise<Snapshot> => {
    let hasResponded = false;
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve) => {
      timer = setTimeout(resolve, responseMs);
      source.onReceived = () => {
        hasResponded = true;
        resolve();
      };
      source.request();
    });
    clearTimeout(timer);
    return hasResponded ? source.snapshot : withoutGauges(source.snapshot);
  };
  const collect = async () => {
    // Before the first wait: a worker that ends meanwhile counts by its own snapshot.
    const endedBefore = ended;
    const [registry, ...snapshots] = await Promise.all([own.collect(), ...[...sources.values()].map(read)]);
    return merge([await registry.getMetricsAsJSON(), endedBefore, ...snapshots]);
  };
  let collecting: Promise<Registry> | undefined;
  const collectOnce = () => (collecting ??= collect().finally(() => (collecting = undefined)));

  const server = await serveMetrics(
    { host: config.METRICS_HOST, port: config.METRICS_PORT! },
    collectOnce,
    log,
  );
  const stopMeasuring = measureProcess(own, readVersion());
  return {
    add(worker, request) {
      sources.set(worker, { request, snapshot: [], onReceived: () => undefined });
    },
    receive(worker, snapshot) {
      const source = sources.get(worker);
      if (!source) return;
      source.snapshot = snapshot;
      source.onReceived();
    },
    remove(worker) {
      const source = sources.get(worker);
      if (!source) return;
      sources.delete(worker);
      ended = merge([ended, withoutGauges(source.snapshot)]).getMetricsAsArray();
      source.snapshot = withoutGauges(source.snapshot);
      source.onReceived();
    },
    countRestart: () => restarts.inc(),
    async close() {
      stopMeasuring();
      await server.close();
    },
  };
}

/** Adds up counters and histograms, and combines gauges as the table says. */
function merge(snapshots: Snapshot[]): Registry {
  return AggregatorRegistry.aggregate<PrometheusContentType>(snapshots);
}

/** Returns the counters and histograms: what remains of a process that has ended. */
function withoutGauges(snapshot: Snapshot): Snapshot {
  return snapshot.filter(({ name }) => table[name as MetricName].type !== 'gauge');
}
