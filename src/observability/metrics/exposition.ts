import { metrics, type MetricName } from './metric-table.ts';
import { labelsOf, type Metric } from './metric.ts';
import type { Sample, Snapshot } from './registry.ts';

/** Prometheus' text format, and OpenMetrics, which newer scrapers prefer. */
export type Format = 'text' | 'openmetrics';

export const contentTypes: Readonly<Record<Format, string>> = {
  text: 'text/plain; version=0.0.4; charset=utf-8',
  openmetrics: 'application/openmetrics-text; version=1.0.0; charset=utf-8',
};

/** Returns OpenMetrics if the scraper accepts it. One that names no format, such as a browser, gets plain text. */
export function chooseFormat(accept: string | undefined): Format {
  const versions = (accept ?? '').split(',').map((entry) => entry.trim().toLowerCase());
  const isAccepted = versions.some(
    (entry) =>
      entry.startsWith('application/openmetrics-text') && !/version=(?!1\.0\.0|0\.0\.1)|;q=0$/.test(entry),
  );
  return isAccepted ? 'openmetrics' : 'text';
}

/**
 * Writes metrics as text. A metric without a sample has its lines of help and type only.
 * @see https://prometheus.io/docs/instrumenting/exposition_formats/
 * @see https://github.com/prometheus/OpenMetrics/blob/v1.0.0/specification/OpenMetrics.md
 */
export function writeMetrics(snapshot: Snapshot, format: Format): string {
  const lines: string[] = [];
  for (const [name, metric] of Object.entries<Metric>(metrics)) {
    const isOpen = format === 'openmetrics';
    // OpenMetrics names the family of a counter without the suffix.
    const family = isOpen && metric.type === 'counter' ? name.replace(/_total$/, '') : name;
    const unit = /_(seconds|bytes)$/.exec(family)?.[1];
    lines.push(`# HELP ${family} ${escapeText(metric.help)}`, `# TYPE ${family} ${metric.type}`);
    if (isOpen && unit !== undefined) lines.push(`# UNIT ${family} ${unit}`);
    for (const sample of snapshot[name as MetricName] ?? []) lines.push(...writeSample(name, metric, sample));
  }
  if (format === 'openmetrics') lines.push('# EOF');
  return lines.join('\n') + '\n';
}

function writeSample(name: string, metric: Metric, sample: Sample): string[] {
  const labels = labelsOf(metric).map(([label], index) => `${label}="${escapeText(sample.labels[index]!)}"`);
  if ('value' in sample) return [`${name}${inBraces(labels)} ${sample.value}`];
  const bounds = metric.type === 'histogram' ? metric.buckets : [];
  let count = 0;
  const buckets = sample.counts.map((inBucket, index) => {
    count += inBucket;
    return `${name}_bucket${inBraces([...labels, `le="${formatBound(bounds[index])}"`])} ${count}`;
  });
  return [
    ...buckets,
    `${name}_sum${inBraces(labels)} ${sample.sum}`,
    `${name}_count${inBraces(labels)} ${count}`,
  ];
}

function inBraces(labels: readonly string[]): string {
  return labels.length === 0 ? '' : `{${labels.join(',')}}`;
}

/** Writes the bound of a bucket as OpenMetrics requires it, in both formats: so a series has one name. */
function formatBound(bound: number | undefined): string {
  if (bound === undefined) return '+Inf';
  return Number.isInteger(bound) ? `${bound}.0` : String(bound);
}

function escapeText(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n').replaceAll('"', '\\"');
}
