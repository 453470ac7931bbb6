import { PerformanceObserver } from 'node:perf_hooks';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, test } from '@jest/globals';
import { measureProcess } from '../../src/observability/metrics/process-metrics.ts';
import { createRegistry } from '../../src/observability/metrics/registry.ts';
import { waitUntil } from '../support/wait-until.ts';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

test('garbage collections, CPU and memory are measured until the measurement is stopped, and not later', async () => {
  const registry = createRegistry([]);
  const stop = measureProcess(registry, '1.2.3');
  const major = registry.histogram('nodejs_gc_duration_seconds').cell('major');
  const count = () => major.counts.reduce((sum, one) => sum + one, 0);
  collectGarbage();
  await waitUntil(() => count() > 0);
  const snapshot = await registry.collect();
  expect(snapshot['group_api_build_info']).toStrictEqual([
    { labels: ['1.2.3', process.versions.node], value: 1 },
  ]);
  for (const name of [
    'process_cpu_seconds_total',
    'process_resident_memory_bytes',
    'nodejs_heap_size_used_bytes',
  ] as const)
    expect(snapshot[name]).toStrictEqual([{ labels: [], value: expect.any(Number) }]);

  stop();
  const countAtStop = count();
  let observed = 0;
  const observer = new PerformanceObserver((list) => (observed += list.getEntries().length));
  observer.observe({ entryTypes: ['gc'] });
  collectGarbage();
  await waitUntil(() => observed > 0);
  observer.disconnect();
  expect(count()).toBe(countAtStop);
});
