import { PerformanceObserver } from 'node:perf_hooks';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, test } from '@jest/globals';
import { createMetricSet } from '../../src/observability/metrics/metric-set.ts';
import { measureProcess } from '../../src/observability/metrics/process-metrics.ts';
import { parseMetrics } from '../support/metrics.ts';
import { waitUntil } from '../support/wait-until.ts';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

test('garbage collections, CPU and memory are measured until the measurement is stopped, and not later', async () => {
  const metrics = createMetricSet([]);
  const stop = measureProcess(metrics, '1.2.3');
  const read = async () => parseMetrics(await (await metrics.collect()).metrics());
  const count = async () => (await read()).get('nodejs_gc_duration_seconds_count{kind="major"}')!;
  collectGarbage();
  await waitUntil(async () => (await count()) > 0);
  const samples = await read();
  expect(samples.get(`group_api_build_info{version="1.2.3",node_version="${process.versions.node}"}`)).toBe(
    1,
  );
  for (const name of [
    'process_cpu_seconds_total',
    'process_resident_memory_bytes',
    'nodejs_heap_size_used_bytes',
  ])
    expect([name, samples.get(name)! > 0]).toStrictEqual([name, true]);

  stop();
  const countAtStop = await count();
  let observed = 0;
  const observer = new PerformanceObserver((list) => (observed += list.getEntries().length));
  observer.observe({ entryTypes: ['gc'] });
  collectGarbage();
  await waitUntil(() => observed > 0);
  observer.disconnect();
  expect(await count()).toBe(countAtStop);
});
