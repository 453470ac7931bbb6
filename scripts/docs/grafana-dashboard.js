// docs/grafana-dashboard.json: a dashboard for Grafana 11 or newer, from the panels of dashboard-panels.js.
import { rows } from './dashboard-panels.js';

const width = 24;
const datasource = { type: 'prometheus', uid: '${datasource}' };
const selector = 'job="$job",instance=~"$instance"';

/** Writes the dashboard as JSON. */
export function writeGrafanaDashboard() {
  return JSON.stringify(
    {
      title: 'group-api',
      uid: 'group-api',
      description:
        'Generated from scripts/docs/dashboard-panels.js. The metrics are described in docs/metrics.md.',
      tags: ['group-api'],
      schemaVersion: 39,
      version: 1,
      editable: true,
      graphTooltip: 1,
      refresh: '30s',
      time: { from: 'now-3h', to: 'now' },
      timezone: 'browser',
      templating: { list: variables },
      annotations: { list: [] },
      panels: layOut(),
    },
    undefined,
    2,
  );
}

const variables = [
  { name: 'datasource', label: 'Data source', type: 'datasource', query: 'prometheus', current: {} },
  variable('job', 'Job', 'label_values(group_api_build_info, job)', {}),
  variable('instance', 'Instance', 'label_values(group_api_build_info{job="$job"}, instance)', {
    multi: true,
    includeAll: true,
    allValue: '.*',
    current: { text: 'All', value: '$__all' },
  }),
];

function variable(name, label, query, more) {
  return {
    name,
    label,
    type: 'query',
    datasource,
    query: { query, refId: name },
    definition: query,
    refresh: 2,
    sort: 1,
    current: {},
    ...more,
  };
}

/** Places the panels of each row in lines from left to right: small ones in one line, else three, or what is left. */
function layOut() {
  const panels = [];
  let y = 0;
  for (const { title, panels: inRow } of rows) {
    panels.push({
      id: panels.length + 1,
      type: 'row',
      title,
      collapsed: false,
      panels: [],
      gridPos: { h: 1, w: width, x: 0, y },
    });
    y += 1;
    const isSmall = inRow.every(({ type }) => type === 'stat');
    const h = isSmall ? 4 : 8;
    for (const line of linesOf(inRow, isSmall ? inRow.length : 3)) {
      const w = width / line.length;
      for (const [index, panel] of line.entries())
        panels.push({ id: panels.length + 1, ...writePanel(panel), gridPos: { h, w, x: index * w, y } });
      y += h;
    }
  }
  return panels;
}

function linesOf(panels, length) {
  const count = Math.ceil(panels.length / length);
  return Array.from({ length: count }, (_, index) => panels.slice(index * length, (index + 1) * length));
}

function writePanel({ title, type = 'timeseries', unit, queries, colors, texts }) {
  const isTable = type === 'table';
  return {
    type,
    title,
    datasource,
    targets: queries.map(([query, legend], index) => ({
      refId: String.fromCharCode('A'.charCodeAt(0) + index),
      datasource,
      expr: query.replaceAll('$of', selector),
      legendFormat: legend,
      editorMode: 'code',
      ...(isTable ? { format: 'table', instant: true, range: false } : { range: true }),
    })),
    fieldConfig: {
      defaults: {
        unit,
        ...(type === 'timeseries' && {
          min: 0,
          custom: { fillOpacity: 10, showPoints: 'never', spanNulls: false },
        }),
        ...(colors && {
          color: { mode: 'thresholds' },
          thresholds: { mode: 'absolute', steps: colors.map(([value, color]) => ({ value, color })) },
        }),
        ...(texts && {
          mappings: [
            {
              type: 'value',
              options: Object.fromEntries(
                Object.entries(texts).map(([value, text], index) => [value, { text, index }]),
              ),
            },
          ],
        }),
      },
      overrides: [],
    },
    options: optionsOf(type),
  };
}

function optionsOf(type) {
  switch (type) {
    case 'stat':
      return {
        reduceOptions: { calcs: ['lastNotNull'], fields: '', values: false },
        colorMode: 'value',
        graphMode: 'area',
        textMode: 'value',
      };
    case 'table':
      return { showHeader: true };
    default:
      return {
        legend: { displayMode: 'list', placement: 'bottom', showLegend: true },
        tooltip: { mode: 'multi', sort: 'desc' },
      };
  }
}
