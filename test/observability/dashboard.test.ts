import { readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { parse } from 'yaml';
import { metrics } from '../../src/observability/metrics/metric-table.ts';
import { metricNamesIn } from '../support/metrics.ts';
import type { Json } from '../support/test-app.ts';

const read = (name: string) => readFileSync(name, 'utf8');
const dashboard: Json = JSON.parse(read('docs/grafana-dashboard.json'));
const panels: readonly Json[] = dashboard.panels.filter(({ type }: Json) => type !== 'row');
const expressions: readonly string[] = panels.flatMap(({ targets }) => targets.map(({ expr }: Json) => expr));
const alertExpressions: readonly string[] = parse(read('docs/prometheus-alerts.yml')).groups.flatMap(
  ({ rules }: Json) => rules.map(({ expr }: Json) => expr),
);

test('the dashboard and the alerts use only metrics of the table', () => {
  const names = metricNamesIn([...expressions, ...alertExpressions].join('\n'));
  expect(names.length).toBeGreaterThan(30);
  for (const name of names) expect(Object.keys(metrics)).toContain(name);
  expect(metricNamesIn('rate(group_api_planted_seconds_bucket{le="1"}[5m])')).toStrictEqual([
    'group_api_planted_seconds',
  ]);
});

test('each metric of the table is documented in docs/metrics.md and shown by the dashboard, or has a reason', () => {
  /** Part of a panel by another metric. */
  const notShown = [
    'group_api_delete_queue',
    'group_api_event_read_delay_seconds',
    'group_api_retired_groups_deleted_total',
  ];
  const shown = metricNamesIn(expressions.join('\n'));
  const page = read('docs/metrics.md');
  const documented = [...page.matchAll(/^\| `(\w+)`/gm)].map(([, name]) => name!);
  expect(documented).toStrictEqual(Object.keys(metrics));
  expect(
    Object.keys(metrics)
      .filter((name) => !shown.includes(name))
      .toSorted(),
  ).toStrictEqual(notShown.toSorted());
});

test('each query of the dashboard selects the job and the instances, and uses the data source of the dashboard', () => {
  for (const expression of expressions) {
    const selectors = expression.match(/\{[^}]*\}/g)!;
    for (const selector of selectors) expect(selector).toContain('job="$job",instance=~"$instance"');
    expect(selectors).toHaveLength(expression.match(/\b(?:group_api|process|nodejs)_\w+/g)!.length);
  }
  for (const { datasource, targets } of panels) {
    for (const source of [datasource, ...targets.map((target: Json) => target.datasource)])
      expect(source).toStrictEqual({ type: 'prometheus', uid: '${datasource}' });
  }
  expect(dashboard.templating.list.map(({ name }: Json) => name)).toStrictEqual([
    'datasource',
    'job',
    'instance',
  ]);
});

test('the panels of the dashboard have unique ids, do not overlap, and fit into its width', () => {
  const all: readonly Json[] = dashboard.panels;
  expect(new Set(all.map(({ id }) => id)).size).toBe(all.length);
  for (const [index, { gridPos: one }] of all.entries()) {
    expect(one.x + one.w).toBeLessThanOrEqual(24);
    for (const { gridPos: other } of all.slice(index + 1)) {
      const isApart =
        one.x + one.w <= other.x ||
        other.x + other.w <= one.x ||
        one.y + one.h <= other.y ||
        other.y + other.h <= one.y;
      expect([one, other, isApart]).toStrictEqual([one, other, true]);
    }
  }
});
