// docs/metrics.md: every metric, from the tables in src/observability/metrics.
import { metrics } from './load-source.js';
import { writeTable } from './markdown.js';

/** Writes the page as Markdown. */
export function writeMetricsPage() {
  const rows = Object.entries(metrics).map(([name, metric]) => [
    `\`${name}\``,
    metric.type,
    describeLabels(metric.labels ?? {}),
    metric.help.replaceAll('|', '\\|'),
  ]);
  return `<!-- Generated from src/observability/metrics/metric-table.ts by \`npm run generate:docs\`: edits here are lost. -->

# Metrics

With \`METRICS_PORT\` the server serves these metrics at \`/metrics\` of that port, for Prometheus, in its text format.
[operations.md](operations.md#metrics) has the configuration, the dashboard and the alerts.

The values of each label are a closed set: no name, path or account that a client sends becomes a label, so that the number of series is
limited. \`other\` stands for every value that is not in the set. A counter starts at 0 when the server starts.

${writeTable(['name', 'type', 'labels', 'meaning'], rows)}

\`<error code>\` is a code of [errors.md](errors.md). \`<root field>\` is a field of \`Query\`, \`Mutation\` or \`Subscription\` in
[api.md](api.md), \`several\` if a request has different ones, \`none\` if it has no known one.

With several \`WORKERS\`, one \`/metrics\` shows all of them together: counters and histograms are added up, and so are gauges of amounts
(connections, requests, memory). Gauges of a state are the worst of them: ${describeCombined()}. The counts of a worker that has ended
stay, as of the last scrape.
`;
}

function describeLabels(labels) {
  return Object.entries(labels)
    .map(([name, values]) => `\`${name}\`: ${describeValues(values)}`)
    .join('; ');
}

function describeValues(values) {
  if (values === 'constant') return 'constant';
  if (values === 'rootField') return '`<root field>`';
  // Most labels of codes have all of them.
  const isCode = (value) =>
    /^[A-Z]+(_[A-Z]+)+$/.test(value) || ['UNAUTHENTICATED', 'FORBIDDEN'].includes(value);
  const codes = values.filter(isCode);
  if (codes.length < 10) return values.map((value) => `\`${value}\``).join(', ');
  return [...values.filter((value) => !isCode(value)).map((value) => `\`${value}\``), '`<error code>`'].join(
    ', ',
  );
}

function describeCombined() {
  const names = Object.entries(metrics)
    .filter(([, { type, combine }]) => type === 'gauge' && combine === 'min')
    .map(([name]) => `\`${name}\``);
  return `the lowest of ${names.join(', ')}, the highest of the others`;
}
