// Converts measurements to a table of targets, Markdown and a chart.
import { writeFile } from 'node:fs/promises';
import { peers } from './peers.js';

const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
const titles = new Map([...peers.map(({ name, title }) => [name, title]), ['pgbench', 'pgbench']]);
const purposes = new Map([
  ...peers.map(({ name, does }) => [name, does]),
  ['pgbench', 'bare delete, no server: a limit'],
]);

/** Returns one value per round of a peer. */
function valuesOf({ results }, peer, connections, read) {
  return results.filter((result) => result.peer === peer && result.connections === connections).map(read);
}
const medianOf = (...selection) => median(valuesOf(...selection));

/** Returns the median of the ratios per round, so that a disturbance of a round affects both sides. */
function ratioOf(report, peer, other, { connections = 64, read = ({ perSecond }) => perSecond } = {}) {
  const [own, others] = [peer, other].map((name) => valuesOf(report, name, connections, read));
  return median(own.map((value, round) => value / others[round]));
}

/** Compares every target with the measured value. */
export function judge(report) {
  const { ours } = report;
  const p50 = ({ p50: value }) => value;
  const goals = [
    ['throughput ÷ careful Apollo + Prisma', ratioOf(report, 'ours', 'careful'), 'at least', 10],
    ['throughput ÷ PostGraphile 5 bare', ratioOf(report, 'ours', 'postgraphile'), 'at least', 2],
    [
      'throughput ÷ Mercurius + JIT with our statement',
      ratioOf(report, 'ours', 'statement'),
      'at least',
      1.8,
    ],
    ['throughput ÷ Mercurius + JIT bare', ratioOf(report, 'ours', 'mercurius'), 'at least', 0.95],
    ['throughput ÷ the ceiling', ratioOf(report, 'ours', 'ceiling'), 'at least', 0.9],
    [
      'p50 at 1 connection ÷ Mercurius + JIT with our statement',
      ratioOf(report, 'ours', 'statement', { connections: 1, read: p50 }),
      'at most',
      1.3,
    ],
    [
      'p99 ÷ p50 at 64 connections',
      medianOf(report, 'ours', 64, ({ p99, p50: half }) => p99 / half),
      'at most',
      3,
    ],
    [
      'memory under load, MB',
      Math.max(...valuesOf(report, 'ours', 64, ({ peakMemoryMb }) => peakMemoryMb)),
      'at most',
      250,
    ],
    ...(ours
      ? [
          [
            'p50 at 10,000,000 groups ÷ at 10,000',
            ours.sizes[10_000_000] / ours.sizes[10_000],
            'at most',
            1.2,
          ],
          [
            'deleteGroups of 1,000: groups per second ÷ single deletes',
            ours.lists.perSecond / ours.single.perSecond,
            'at least',
            40,
          ],
          ['searchGroups, page 1, ms', ours.search.first, 'at most', 15],
          ['searchGroups, page 1,000, ms', ours.search.thousandth, 'at most', 15],
          ['searchGroups, page 1,000 ÷ page 1', ours.search.thousandth / ours.search.first, 'at most', 1.3],
          ['four servers on these cores ÷ one server', ours.processes[4].ratio, 'at least', 0.75],
          ['cold start, ms', ours.coldStart.ours, 'at most', 1200],
          ['cold start ÷ PostGraphile', ours.coldStart.ours / ours.coldStart.postgraphile, 'at most', 1],
        ]
      : []),
  ];
  return goals.map(([what, value, bound, goal]) => ({
    what,
    value,
    goal: `${bound} ${goal}`,
    isReached: Number.isFinite(value) ? (bound === 'at least' ? value >= goal : value <= goal) : undefined,
  }));
}

/** The report as Markdown. */
export function describe(report) {
  const names = [...new Set(report.results.map(({ peer }) => peer))];
  const number = (value, digits = 0) => (Number.isFinite(value) ? value.toFixed(digits) : '–');
  const rows = names.map((name) => {
    const value = (connections, read, digits) => number(medianOf(report, name, connections, read), digits);
    return [
      titles.get(name),
      purposes.get(name),
      value(64, ({ perSecond }) => perSecond),
      value(64, ({ p50 }) => p50, 1),
      value(64, ({ p99 }) => p99, 1),
      value(1, ({ perSecond }) => perSecond),
      value(1, ({ p50 }) => p50, 2),
      value(64, ({ serverCpu }) => serverCpu, 2),
      value(64, ({ databaseCpu }) => databaseCpu, 2),
      value(64, ({ loadCpu }) => loadCpu, 2),
      value(64, ({ peakMemoryMb }) => peakMemoryMb),
    ];
  });
  const head = [
    'server',
    'what it does',
    'deletes/s, 64 connections',
    'p50 ms',
    'p99 ms',
    'deletes/s, 1 connection',
    'p50 ms',
    'CPUs: server',
    'database',
    'load',
    'memory MB',
  ];
  const goals = judge(report).map(({ what, value, goal, isReached }) => [
    what,
    number(value, 2),
    goal,
    isReached === undefined ? 'not measured' : isReached ? 'reached' : 'missed',
  ]);
  const processes = Object.entries(report.ours?.processes ?? {}).map(
    ([count, { perSecond, ratio, p50, p99, deletesPerStatement, cpuMsPerDelete }]) => [
      count,
      number(perSecond),
      number(ratio, 2),
      number(p50, 1),
      number(p99, 1),
      number(deletesPerStatement, 1),
      number(cpuMsPerDelete, 2),
    ],
  );
  return [
    `Measured ${report.at.slice(0, 10)} on ${report.cpus} × ${report.cpu}, Node ${report.node}: ${report.plan.groups.toLocaleString('en')} groups, ${report.plan.rounds} round(s), medians.`,
    table(head, rows),
    table(['goal', 'measured', 'target', ''], goals),
    ...(processes.length > 0
      ? [
          table(
            [
              'servers on one database',
              'deletes/s',
              '÷ one server',
              'p50 ms',
              'p99 ms',
              'deletes per statement',
              'CPU ms per delete',
            ],
            processes,
          ),
        ]
      : []),
    '',
  ].join('\n\n');
}

function table(head, rows) {
  const line = (cells) => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

/** Writes the Markdown and the chart next to the JSON. */
export async function writeReport(report, path) {
  await writeFile(`${path}.md`, describe(report));
  await writeFile(`${path}.svg`, drawChart(report));
}

/** Draws a bar chart of the deletes per second with 64 connections. */
function drawChart(report) {
  const names = [...new Set(report.results.map(({ peer }) => peer))].filter(
    (name) => !['ceiling', 'node'].includes(name),
  );
  const bars = names
    .map((name) => ({ name, value: medianOf(report, name, 64, ({ perSecond }) => perSecond) }))
    .toSorted((a, b) => b.value - a.value);
  const most = bars[0].value;
  const rows = bars.map(({ name, value }, index) => {
    const y = 40 + index * 34;
    const width = Math.round((value / most) * 330);
    const label = `${titles.get(name)} (${purposes.get(name)})`;
    return `<text x="412" y="${y + 16}" text-anchor="end">${label.replaceAll('&', '&amp;')}</text>
  <rect x="420" y="${y}" width="${width}" height="22" rx="3" fill="${name === 'ours' ? '#2563eb' : '#94a3b8'}"/>
  <text x="${426 + width}" y="${y + 16}">${Math.round(value).toLocaleString('en')}</text>`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 820 ${50 + bars.length * 34}" font-family="system-ui, sans-serif" font-size="12" fill="#64748b" role="img" aria-label="Deletes per second with 64 connections">
  <text x="420" y="24" font-weight="bold">deletes per second, 64 connections</text>
  ${rows.join('\n  ')}
</svg>
`;
}
