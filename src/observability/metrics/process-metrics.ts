import {
  constants,
  monitorEventLoopDelay,
  PerformanceObserver,
  type PerformanceEntry,
} from 'node:perf_hooks';
import type { MetricSet } from './metric-set.ts';

/** The kinds of garbage collections, by the numbers that Node reports. */
const collectionKinds: ReadonlyMap<number, string> = new Map([
  [constants.NODE_PERFORMANCE_GC_MINOR, 'minor'],
  [constants.NODE_PERFORMANCE_GC_MAJOR, 'major'],
  [constants.NODE_PERFORMANCE_GC_INCREMENTAL, 'incremental'],
  [constants.NODE_PERFORMANCE_GC_WEAKCB, 'weakcb'],
]);
/** What Node reports of a garbage collection. */
type CollectionEntry = PerformanceEntry & { readonly detail: { readonly kind: number } };
const resolutionMs = 10;
const nanoseconds = 1e-9;

/**
 * Measures the process, garbage collections and the delay of the event loop. Returns the function that ends that.
 * `version` is that of group-api.
 */
export function measureProcess(metrics: MetricSet, version: string): () => void {
  metrics.gauge('group_api_build_info', version, process.versions.node).set(1);
  metrics.gauge('process_start_time_seconds').set(Math.round(Date.now() / 1000 - process.uptime()));

  const cpu = metrics.counter('process_cpu_seconds_total');
  const resident = metrics.gauge('process_resident_memory_bytes');
  const heapUsed = metrics.gauge('nodejs_heap_size_used_bytes');
  const heapTotal = metrics.gauge('nodejs_heap_size_total_bytes');
  let countedCpu = 0;
  metrics.onCollect(() => {
    const { user, system } = process.cpuUsage();
    cpu.inc((user + system) / 1e6 - countedCpu);
    countedCpu = (user + system) / 1e6;
    const memory = process.memoryUsage();
    resident.set(memory.rss);
    heapUsed.set(memory.heapUsed);
    heapTotal.set(memory.heapTotal);
  });

  const stopLoop = measureEventLoop(metrics);
  const stopCollections = measureCollections(metrics);
  return () => {
    stopLoop();
    stopCollections();
  };
}

function measureEventLoop(metrics: MetricSet): () => void {
  const delay = monitorEventLoopDelay({ resolution: resolutionMs });
  delay.enable();
  const mean = metrics.gauge('nodejs_eventloop_lag_mean_seconds');
  const p99 = metrics.gauge('nodejs_eventloop_lag_p99_seconds');
  const max = metrics.gauge('nodejs_eventloop_lag_max_seconds');
  /** Node measures the time between two timers. */
  const toLag = (measured: number) => Math.max(0, (measured - resolutionMs * 1e6) * nanoseconds);
  metrics.onCollect(() => {
    // Without a measurement since the last scrape, the values stay.
    if (delay.count === 0) return;
    mean.set(toLag(delay.mean));
    p99.set(toLag(delay.percentile(99)));
    max.set(toLag(delay.max));
    delay.reset();
  });
  return () => delay.disable();
}

function measureCollections(metrics: MetricSet): () => void {
  const observer = new PerformanceObserver((list) => {
    for (const { duration, detail } of list.getEntries() as CollectionEntry[]) {
      const name = collectionKinds.get(detail.kind);
      if (name !== undefined) metrics.histogram('nodejs_gc_duration_seconds', name).observe(duration / 1000);
    }
  });
  observer.observe({ entryTypes: ['gc'] });
  return () => observer.disconnect();
}
