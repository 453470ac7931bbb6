import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import { metrics, type MetricName, type NamesOf } from './metric-table.ts';
import { labelsOf, noField, otherLabel, severalFields, type Metric } from './metric.ts';

/** A gauge of one combination of label values. It has no sample while its value is undefined. */
type GaugeChild = { set(value: number | undefined): void };

/** The metrics of a process, or of several, as they can be sent between processes. */
export type Snapshot = ReturnType<Registry['getMetricsAsArray']>;

export type MetricSet = ReturnType<typeof createMetricSet>;

/**
 * Creates the metrics of the table in a new registry. The functions that are named after a type return the
 * child for the values of the labels, in their order: create those of fixed values once. A value that is not in the
 * label's set counts as `other`, so that no input of a caller becomes a label. `rootFields` are the values of the label
 * of that name.
 */
export function createMetricSet(rootFields: readonly string[]) {
  const registry = new Registry();
  const valuesOf = new Map<MetricName, readonly (ReadonlySet<string> | undefined)[]>();
  for (const [name, metric] of Object.entries<Metric>(metrics)) {
    const sets = labelsOf(metric).map(([, values]) => {
      if (values === 'constant') return undefined;
      return new Set(values === 'rootField' ? [...rootFields, severalFields, noField, otherLabel] : values);
    });
    valuesOf.set(name as MetricName, sets);
    createMetric(name, metric, registry);
  }

  const close = (name: MetricName, values: readonly string[]): string[] => {
    const sets = valuesOf.get(name)!;
    return values.map((value, index) => (sets[index]?.has(value) === false ? otherLabel : value));
  };
  const collectors: (() => void | Promise<void>)[] = [];
  let collecting: Promise<Registry> | undefined;
  const collect = async () => {
    await Promise.all(collectors.map(async (run) => run()));
    return registry;
  };

  return {
    counter: (name: NamesOf<'counter'>, ...values: string[]): Counter.Internal =>
      (registry.getSingleMetric(name) as Counter).labels(...close(name, values)),
    histogram: (name: NamesOf<'histogram'>, ...values: string[]): Histogram.Internal<string> =>
      (registry.getSingleMetric(name) as Histogram).labels(...close(name, values)),
    gauge(name: NamesOf<'gauge'>, ...values: string[]): GaugeChild {
      const gauge = registry.getSingleMetric(name) as Gauge;
      const labels = close(name, values);
      const child = gauge.labels(...labels);
      return {
        set(value) {
          if (value === undefined) gauge.remove(...labels);
          else child.set(value);
        },
      };
    },

    /** Adds a function that sets gauges whenever the metrics are read. It must not throw. */
    onCollect(collector: () => void | Promise<void>): void {
      collectors.push(collector);
    },

    /** Sets the gauges, and returns the registry of all metrics. Concurrent calls share this work. */
    collect: (): Promise<Registry> => (collecting ??= collect().finally(() => (collecting = undefined))),
  };
}

/** Creates a metric whose counts start at 0 for all combinations of its values, unless it is sparse. */
function createMetric(name: string, metric: Metric, registry: Registry): void {
  const labels = labelsOf(metric);
  const options = {
    name,
    help: metric.help,
    labelNames: labels.map(([label]) => label),
    registers: [registry],
  };
  if (metric.type === 'gauge') {
    const gauge = new Gauge({ ...options, aggregator: metric.combine });
    // Without labels it starts at 0.
    if (labels.length === 0) gauge.remove();
    return;
  }
  const combinations = metric.isSparse === true ? [] : combine(labels as ClosedLabels);
  if (metric.type === 'counter') {
    const counter = new Counter(options);
    for (const combination of combinations) counter.inc(combination, 0);
  } else {
    const histogram = new Histogram({ ...options, buckets: [...metric.buckets] });
    for (const combination of combinations) histogram.zero(combination);
  }
}

type ClosedLabels = readonly (readonly [string, readonly string[]])[];

function combine(labels: ClosedLabels): Record<string, string>[] {
  return labels.reduce<Record<string, string>[]>(
    (combinations, [label, values]) =>
      combinations.flatMap((combination) => values.map((value) => ({ ...combination, [label]: value }))),
    [{}],
  );
}
