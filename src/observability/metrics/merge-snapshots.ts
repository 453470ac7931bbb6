import { metrics, type MetricName } from './metric-table.ts';
import type { Metric } from './metric.ts';
import type { Sample, Snapshot } from './registry.ts';

/**
 * Returns one snapshot of several processes: counters and histograms are added up, gauges combined as the table says.
 * A sample that only some of them have is that of these.
 */
export function mergeSnapshots(snapshots: readonly Snapshot[]): Snapshot {
  const merged: Partial<Record<MetricName, readonly Sample[]>> = {};
  for (const [name, metric] of Object.entries<Metric>(metrics)) {
    const samples = new Map<string, Sample>();
    for (const snapshot of snapshots) {
      for (const sample of snapshot[name as MetricName] ?? []) {
        const key = sample.labels.join('\n');
        const previous = samples.get(key);
        samples.set(key, previous === undefined ? sample : combine(metric, previous, sample));
      }
    }
    merged[name as MetricName] = [...samples.values()];
  }
  return merged;
}

/** Returns the counters and histograms of a snapshot: what remains of a process that has ended. */
export function withoutGauges(snapshot: Snapshot): Snapshot {
  const kept = Object.entries(snapshot).filter(([name]) => metrics[name as MetricName].type !== 'gauge');
  return Object.fromEntries(kept);
}

function combine(metric: Metric, one: Sample, other: Sample): Sample {
  const { labels } = one;
  if (!('value' in one) || !('value' in other)) {
    const [first, second] = [one, other] as [Histogram, Histogram];
    return {
      labels,
      counts: first.counts.map((count, index) => count + second.counts[index]!),
      sum: first.sum + second.sum,
    };
  }
  const combination = metric.type === 'gauge' ? metric.combine : 'sum';
  if (combination === 'max') return { labels, value: Math.max(one.value, other.value) };
  if (combination === 'min') return { labels, value: Math.min(one.value, other.value) };
  return { labels, value: one.value + other.value };
}

type Histogram = Exclude<Sample, { readonly value: number }>;
