import {
  constants,
  monitorEventLoopDelay,
  PerformanceObserver,
  type PerformanceEntry,
} from 'node:perf_hooks';
import type { Registry } from './registry.ts';

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
export function measureProcess(registry: Registry, version: string): () => void {
  registry.gauge('group_api_build_info').cell(version, process.versions.node).value = 1;
  registry.gauge('process_start_time_seconds').cell().value = Math.round(
    Date.now() / 1000 - process.uptime(),
  );

  const cpu = registry.counter('process_cpu_seconds_total').cell();
  const resident = registry.gauge('process_resident_memory_bytes').cell();
  const heapUsed = registry.gauge('nodejs_heap_size_used_bytes').cell();
  const heapTotal = registry.gauge('nodejs_heap_size_total_bytes').cell();
  registry.onCollect(() => {
    const { user, system } = process.cpuUsage();
    cpu.value = (user + system) / 1e6;
    const memory = process.memoryUsage();
    resident.value = memory.rss;
    heapUsed.value = memory.heapUsed;
    heapTotal.value = memory.heapTotal;
  });

  const stopLoop = measureEventLoop(registry);
  const stopCollections = measureCollections(registry);
  return () => {
    stopLoop();
    stopCollections();
  };
}

function measureEventLoop(registry: Registry): () => void {
  const delay = monitorEventLoopDelay({ resolution: resolutionMs });
  delay.enable();
  const mean = registry.gauge('nodejs_eventloop_lag_mean_seconds').cell();
  const p99 = registry.gauge('nodejs_eventloop_lag_p99_seconds').cell();
  const max = registry.gauge('nodejs_eventloop_lag_max_seconds').cell();
  /** Node measures the time between two timers. */
  const toLag = (measured: number) => Math.max(0, (measured - resolutionMs * 1e6) * nanoseconds);
  registry.onCollect(() => {
    // Without a measurement since the last scrape, the values stay.
    if (delay.count === 0) return;
    mean.value = toLag(delay.mean);
    p99.value = toLag(delay.percentile(99));
    max.value = toLag(delay.max);
    delay.reset();
  });
  return () => delay.disable();
}

function measureCollections(registry: Registry): () => void {
  const durations = registry.histogram('nodejs_gc_duration_seconds');
  const observer = new PerformanceObserver((list) => {
    for (const { duration, detail } of list.getEntries() as CollectionEntry[]) {
      const name = collectionKinds.get(detail.kind);
      if (name !== undefined) durations.cell(name).observe(duration / 1000);
    }
  });
  observer.observe({ entryTypes: ['gc'] });
  return () => observer.disconnect();
}
