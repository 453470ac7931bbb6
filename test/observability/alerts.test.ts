import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { parse } from 'yaml';
import { hasPrometheus, runPromtool } from '../support/prometheus.ts';
import type { Json } from '../support/test-app.ts';
import { alertCases, type AlertCase } from './alert-cases.ts';

const file = 'docs/prometheus-alerts.yml';
const rules = readFileSync(file, 'utf8');
const alerts: readonly Json[] = parse(rules).groups.flatMap((group: Json) => group.rules);
const runbook = readFileSync('docs/operations.md', 'utf8');
const testWithPromtool = hasPrometheus ? test : test.skip;

/** Returns the alerts that fire in a case, by promtool: those of which an expectation would have to name the labels. */
async function firingAlerts({ at }: AlertCase, series: AlertCase['firing']): Promise<string[]> {
  const names: string[] = [];
  // `ALERTS` is the series of the alerts; a test fails with what it got if it expects something else.
  const input_series = Object.entries(series).map(([name, values]) => ({ series: name, values }));
  const unitTest = {
    rule_files: ['alerts.yml'],
    evaluation_interval: '30s',
    tests: [
      {
        interval: '1m',
        input_series,
        promql_expr_test: [
          {
            expr: 'count by (alertname) (ALERTS{alertstate="firing"})',
            eval_time: at,
            exp_samples: [{ labels: '{alertname="unexpected"}', value: 1 }],
          },
        ],
      },
    ],
  };
  await runPromtool(['test', 'rules', 'tests.yml'], {
    'alerts.yml': rules,
    'tests.yml': JSON.stringify(unitTest),
  }).catch(({ message }: Error) => {
    const [, got] = /got:(.*)/s.exec(message) ?? [];
    if (got === undefined) throw new Error(message);
    names.push(...[...got.matchAll(/alertname="(\w+)"/g)].map(([, name]) => name!));
  });
  return names;
}

describe('docs/prometheus-alerts.yml (skipped without promtool, of the package prometheus)', () => {
  testWithPromtool('the rules pass `promtool check rules`', async () => {
    const output = await runPromtool(['check', 'rules', 'alerts.yml'], { 'alerts.yml': rules });
    expect(output).toContain(`SUCCESS: ${alerts.length} rules found`);
  });

  testWithPromtool.each(Object.entries(alertCases))(
    '%s fires in its case, alone, and not in a similar one',
    async (name, alertCase) => {
      expect(await firingAlerts(alertCase, alertCase.firing)).toStrictEqual([name]);
      expect(await firingAlerts(alertCase, alertCase.quiet)).not.toContain(name);
    },
  );
});

test('each alert has its cases, a severity, a summary, and a paragraph in the runbook that names a setting, a command or a metric', () => {
  expect(new Set(alerts.map(({ alert }) => alert))).toStrictEqual(new Set(Object.keys(alertCases)));
  for (const { alert, labels, annotations } of alerts) {
    expect(['warning', 'critical']).toContain(labels.severity);
    expect(annotations.summary).toMatch(/\$(?:labels|value)|webhook/);
    expect(annotations.runbook_url).toBe(`docs/operations.md#${alert.toLowerCase()}`);
    const [, paragraph = ''] = new RegExp(`^### ${alert}\\n(.*?)^##`, 'ms').exec(runbook) ?? [];
    expect([alert, paragraph.length > 200]).toStrictEqual([alert, true]);
    expect(paragraph).toMatch(/`[^`]+`/);
  }
  // No paragraph without an alert.
  const headings = [...runbook.matchAll(/^### (GroupApi\w+)$/gm)].map(([, name]) => name!);
  expect(headings).toStrictEqual(alerts.map(({ alert }) => alert));
});
