// Converts the measurements of `npm run bench` to a table of targets, Markdown and a chart.
import { median } from './median.js';
import { ratiosOf, valuesOf } from './pairs.js';
import { peers } from './peers.js';

const peerOf = (name) => peers.find((peer) => peer.name === name);
const number = (value, digits = 0) => (Number.isFinite(value) ? value.toFixed(digits) : '–');
const perSecond = (burst) => burst.perSecond;
const p50 = (burst) => burst.p50;

/** Returns the median over the turns of our value divided by that of another peer. */
function ratioTo({ pairs }, other, connections, read) {
  const measured = pairs.find(({ peers: [, name] }) => name === other);
  return measured ? median(ratiosOf(measured, connections, read)) : undefined;
}

/** Returns our values of all pairs. */
function ourValues({ pairs }, connections, read) {
  return pairs.flatMap((measured) => valuesOf(measured, 'ours', connections, read));
}

/** The targets of our server alone. */
function judgeOurs(ours) {
  return [
    ['p50 at 10,000,000 groups ÷ at 10,000', ours.sizes[10_000_000] / ours.sizes[10_000], 'at most', 1.2],
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
  ];
}

/** Compares every target with the measured value. */
function judge(report) {
  const { ours } = report;
  const throughput = (other) => ratioTo(report, other, 64, perSecond);
  const p50AtOne = (other) => ratioTo(report, other, 1, p50);
  const goals = [
    ['throughput ÷ Mercurius + JIT bare', throughput('mercurius'), 'at least', 1.05],
    ['throughput ÷ Mercurius + JIT with our statement', throughput('statement'), 'at least', 2.4],
    ['throughput ÷ PostGraphile 5 bare', throughput('postgraphile'), 'at least', 2],
    ['throughput ÷ our server with a constant resolver', throughput('ceiling'), 'at least', 0.75],
    ['throughput ÷ careful Apollo + Prisma', throughput('careful'), 'at least', 18],
    ['p50 at 1 connection ÷ Mercurius + JIT bare', p50AtOne('mercurius'), 'at most', 1.3],
    ['p50 at 1 connection ÷ Mercurius + JIT with our statement', p50AtOne('statement'), 'at most', 1],
    [
      'p99 ÷ p50 at 64 connections',
      median(ourValues(report, 64, (burst) => burst.p99 / burst.p50)),
      'at most',
      3,
    ],
    [
      'memory under load, MB',
      Math.max(...ourValues(report, 64, (burst) => burst.peakMemoryMb)),
      'at most',
      250,
    ],
    ...(ours ? judgeOurs(ours) : []),
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
  const { plan } = report;
  const goals = judge(report).map(({ what, value, goal, isReached }) => [
    what,
    number(value, 2),
    goal,
    isReached === undefined ? 'not measured' : isReached ? 'reached' : 'missed',
  ]);
  return [
    `Measured ${report.at.slice(0, 10)} on ${report.cpus} × ${report.cpu}, Node ${report.node}, by turns: both servers of a pair run, and ` +
      `bursts of ${plan.burstSeconds} s go to one and the other, in alternating order, ${plan.turns} turns with 64 connections and ${plan.turns} ` +
      `with one. Medians of the turns, in brackets the lowest and the highest; ${plan.groups.toLocaleString('en')} groups.`,
    describePairs(report),
    describePeers(report),
    table(['goal', 'measured', 'target', ''], goals),
    ...(report.ours ? [describeServers(report.ours)] : []),
    describeTurns(report),
    '',
  ].join('\n\n');
}

function describePairs({ pairs }) {
  const rows = pairs.map((measured) => {
    const [, other] = measured.peers;
    const cpu = (read) =>
      measured.peers.map((name) => number(median(valuesOf(measured, name, 64, read)))).join(' ÷ ');
    return [
      peerOf(other).title,
      peerOf(other).does,
      describeRatio(ratiosOf(measured, 64, perSecond)),
      describeRatio(ratiosOf(measured, 64, p50)),
      describeRatio(ratiosOf(measured, 1, p50)),
      cpu(({ serverCpuUs }) => serverCpuUs),
      cpu(({ databaseCpuUs }) => databaseCpuUs),
    ];
  });
  const head = [
    'group-api ÷',
    'what it does',
    'throughput, 64 connections',
    'p50, 64 connections',
    'p50, 1 connection',
    'CPU of the server, µs a request',
    'CPU of the database',
  ];
  return table(head, rows);
}

function describeRatio(ratios) {
  const [middle, lowest, highest] = [median(ratios), Math.min(...ratios), Math.max(...ratios)];
  return `${number(middle, 2)} (${number(lowest, 2)}–${number(highest, 2)})`;
}

/** Absolute figures, which depend on how fast the machine was during a pair. */
function describePeers({ pairs }) {
  const rows = pairs.flatMap((measured) =>
    measured.peers.map((name) => {
      const of = (connections, read, digits) =>
        number(median(valuesOf(measured, name, connections, read)), digits);
      return [
        peerOf(name).title,
        of(64, perSecond),
        of(64, p50, 1),
        of(64, ({ p99 }) => p99, 1),
        of(1, perSecond),
        of(1, p50, 2),
        of(64, ({ loadCpuUs }) => loadCpuUs),
        of(1, ({ peakMemoryMb }) => peakMemoryMb),
      ];
    }),
  );
  const head = [
    'server, in pairs',
    'requests/s, 64 connections',
    'p50 ms',
    'p99 ms',
    'requests/s, 1 connection',
    'p50 ms',
    'CPU of the load generator, µs a request',
    'peak memory MB',
  ];
  return table(head, rows);
}

function describeServers({ processes }) {
  const rows = Object.entries(processes).map(([count, measured]) => [
    count,
    number(measured.perSecond),
    number(measured.ratio, 2),
    number(measured.p50, 1),
    number(measured.p99, 1),
    number(measured.deletesPerStatement, 1),
    number(measured.cpuMsPerDelete, 2),
  ]);
  const head = [
    'servers on one database',
    'deletes/s',
    '÷ one server',
    'p50 ms',
    'p99 ms',
    'deletes per statement',
    'CPU ms per delete',
  ];
  return table(head, rows);
}

function describeTurns({ pairs }) {
  const measures = [
    { title: 'throughput, 64 connections', connections: 64, read: perSecond },
    { title: 'p50, 64 connections', connections: 64, read: p50 },
    { title: 'p50, 1 connection', connections: 1, read: p50 },
  ];
  const rows = pairs.flatMap((measured) =>
    measures.map(({ title, connections, read }) => [
      peerOf(measured.peers[1]).title,
      title,
      ratiosOf(measured, connections, read)
        .map((ratio) => number(ratio, 2))
        .join(' '),
    ]),
  );
  return table(['group-api ÷', 'ratio', 'of each turn'], rows);
}

function table(head, rows) {
  const line = (cells) => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

/** Draws a bar chart of the throughput with 64 connections, relative to group-api. */
export function drawChart(report) {
  const bars = report.pairs
    .map(({ peers: [, name] }) => ({ name, value: 1 / ratioTo(report, name, 64, perSecond) }))
    .filter(({ name }) => !peerOf(name).isConstant)
    .concat({ name: 'ours', value: 1 })
    .toSorted((one, other) => other.value - one.value);
  const most = bars[0].value;
  const rows = bars.map(({ name, value }, index) => {
    const y = 40 + index * 34;
    const width = Math.round((value / most) * 330);
    const label = `${peerOf(name).title} (${peerOf(name).does})`;
    return `<text x="412" y="${y + 16}" text-anchor="end">${label.replaceAll('&', '&amp;')}</text>
  <rect x="420" y="${y}" width="${width}" height="22" rx="3" fill="${name === 'ours' ? '#2563eb' : '#94a3b8'}"/>
  <text x="${426 + width}" y="${y + 16}">${value.toFixed(2)}</text>`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 820 ${50 + bars.length * 34}" font-family="system-ui, sans-serif" font-size="12" fill="#64748b" role="img" aria-label="Deletes per second with 64 connections, relative to group-api">
  <text x="420" y="24" font-weight="bold">deletes per second relative to group-api, 64 connections</text>
  ${rows.join('\n  ')}
</svg>
`;
}
