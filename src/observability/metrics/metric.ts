/** The value of a label that stands for every other one: no input of a caller becomes a label. */
export const otherLabel = 'other';

/**
 * The values of a label: a closed set. `rootField`: the root fields of the schema, and the two values below.
 * `constant`: one value that does not change while the process runs.
 */
type LabelValues = readonly string[] | 'rootField' | 'constant';

/** In addition to the names of root fields: a request has several different ones, or none that is known. */
export const severalFields = 'several';
export const noField = 'none';

type Description = {
  /** What is measured, with its unit if the name has no unit. For docs/metrics.md. */
  readonly help: string;
  /** The labels and their values. */
  readonly labels?: Readonly<Record<string, LabelValues>>;
  /** A combination of label values has a sample only once it has occurred, since most never do. */
  readonly isSparse?: boolean;
};

/** How the gauges of several WORKERS become one. Counters and histograms are added up. */
type Combination = 'sum' | 'max' | 'min';

/** One metric, by the name of its samples. */
export type Metric =
  | (Description & { readonly type: 'counter' })
  | (Description & { readonly type: 'gauge'; readonly combine: Combination })
  | (Description & { readonly type: 'histogram'; readonly buckets: readonly number[] });

/** Returns the labels of a metric with their values, in their order. */
export function labelsOf(metric: Metric): readonly (readonly [string, LabelValues])[] {
  return Object.entries(metric.labels ?? {});
}
