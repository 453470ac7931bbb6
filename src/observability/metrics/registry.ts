import { metrics, type MetricName, type NamesOf } from './metric-table.ts';
import { labelsOf, noField, otherLabel, severalFields, type Metric } from './metric.ts';

/** A number that is counted up, or set. NaN: unknown, which is not shown. */
export type Cell = { value: number };

/** A histogram of one combination of label values. */
type HistogramCell = {
  observe(value: number): void;
  /** The observations in each bucket, not cumulative; the last one has those above all bounds. */
  readonly counts: number[];
  sum: number;
};

/** The cells of a metric, by their label values: created at the first use, so keep those of a hot path. */
export type Family<C> = {
  /**
   * Returns the cell of the values of the labels, in their order. A value that is not in the label's set counts as
   * `other`, so that no input of a caller becomes a label.
   */
  cell(first?: string, second?: string, third?: string): C;
};

/** One combination of label values, in the order of the table. */
export type Sample =
  | { readonly labels: readonly string[]; readonly value: number }
  | { readonly labels: readonly string[]; readonly counts: readonly number[]; readonly sum: number };

/** The samples of each metric, as they can be sent between processes */
export type Snapshot = Readonly<Partial<Record<MetricName, readonly Sample[]>>>;

export type Registry = ReturnType<typeof createRegistry>;

/**
 * Creates the cells of the metrics of the table: those that count here are plain numbers, without a lookup or a text to
 * build at an observation. `rootFields` are the values of the label of that name.
 */
export function createRegistry(rootFields: readonly string[]) {
  const families = new Map(
    Object.entries<Metric>(metrics).map(
      ([name, metric]) => [name as MetricName, createFamily(metric, rootFields)] as const,
    ),
  );
  const collectors: (() => void | Promise<void>)[] = [];
  let collecting: Promise<Snapshot> | undefined;

  const collect = async (): Promise<Snapshot> => {
    await Promise.all(collectors.map(async (run) => run()));
    return Object.fromEntries([...families].map(([name, family]) => [name, family.samples()]));
  };

  return {
    counter: (name: NamesOf<'counter'>) => families.get(name) as Family<Cell>,
    gauge: (name: NamesOf<'gauge'>) => families.get(name) as Family<Cell>,
    histogram: (name: NamesOf<'histogram'>) => families.get(name) as Family<HistogramCell>,

    /** Adds a function that sets gauges whenever the metrics are read. It must not throw. */
    onCollect(collector: () => void | Promise<void>): void {
      collectors.push(collector);
    },

    /** Reads all metrics. Concurrent calls share one reading. */
    collect(): Promise<Snapshot> {
      collecting ??= collect().finally(() => (collecting = undefined));
      return collecting;
    },
  };
}

type FamilyOf<C> = Family<C> & { samples(): Sample[] };
/** Cells by their last label value, below those of the labels before it. */
type Level = Map<string, Level | Cell | HistogramCell>;

function createFamily(metric: Metric, rootFields: readonly string[]): FamilyOf<Cell | HistogramCell> {
  const sets = labelsOf(metric).map(([, values]) => {
    if (values === 'constant') return undefined;
    return new Set(values === 'rootField' ? [...rootFields, severalFields, noField, otherLabel] : values);
  });
  const root: Level = new Map();
  const single = createCell(metric);

  const resolve = (values: readonly (string | undefined)[]): Cell | HistogramCell => {
    let level = root;
    for (const [index, set] of sets.entries()) {
      const value = values[index]!;
      const key = set === undefined || set.has(value) ? value : otherLabel;
      const isLast = index === sets.length - 1;
      const next = level.get(key) ?? (isLast ? createCell(metric) : new Map());
      level.set(key, next);
      if (isLast) return next as Cell | HistogramCell;
      level = next as Level;
    }
    return single;
  };
  if (metric.isSparse !== true)
    for (const values of combinations(sets as ReadonlySet<string>[])) resolve(values);

  return {
    cell(first, second, third) {
      if (sets.length === 0) return single;
      // Without an array, for those that look their cell up at each observation.
      let cell = root.get(first!);
      if (sets.length > 1) cell = (cell as Level | undefined)?.get(second!);
      if (sets.length > 2) cell = (cell as Level | undefined)?.get(third!);
      return (cell as Cell | HistogramCell | undefined) ?? resolve([first, second, third]);
    },
    samples: () => (sets.length === 0 ? [toSample([], single)] : samplesBelow(root, [])).filter(isKnown),
  };
}

function combinations(sets: readonly ReadonlySet<string>[]): string[][] {
  return sets.reduce<string[][]>(
    (prefixes, set) => prefixes.flatMap((prefix) => [...set].map((value) => [...prefix, value])),
    [[]],
  );
}

function createCell(metric: Metric): Cell | HistogramCell {
  if (metric.type === 'histogram') return createHistogram(metric.buckets);
  return { value: metric.type === 'counter' ? 0 : NaN };
}

function createHistogram(bounds: readonly number[]): HistogramCell {
  const counts: number[] = Array.from({ length: bounds.length + 1 }, () => 0);
  return {
    counts,
    sum: 0,
    observe(value) {
      let index = 0;
      while (index < bounds.length && value > bounds[index]!) index++;
      counts[index]!++;
      this.sum += value;
    },
  };
}

function samplesBelow(level: Level, labels: readonly string[]): Sample[] {
  return [...level].flatMap(([value, below]) =>
    below instanceof Map ? samplesBelow(below, [...labels, value]) : [toSample([...labels, value], below)],
  );
}

function toSample(labels: readonly string[], cell: Cell | HistogramCell): Sample {
  return 'counts' in cell
    ? { labels, counts: [...cell.counts], sum: cell.sum }
    : { labels, value: cell.value };
}

function isKnown(sample: Sample): boolean {
  return !('value' in sample) || !Number.isNaN(sample.value);
}
