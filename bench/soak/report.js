// The report of the soak test as Markdown.
import { cpus } from 'node:os';
import { slopeOf } from './measurements.js';

const number = (value, digits = 0) => (value === null || value === undefined ? '–' : value.toFixed(digits));
const timeColumns = ['p50 ms', 'p95 ms', 'p99 ms', 'max ms'];
const timesOf = ({ p50, p95, p99, max }) => [p50, p95, p99, max].map((value) => number(value, 1));

/** Returns the report as Markdown. */
export function describeSoak(report) {
  const { times, samples, seconds, errors, disagreements } = report;
  const errorCount = Object.values(errors).reduce((sum, count) => sum + count, 0);
  const kinds = Object.entries(times.kinds).toSorted(([, one], [, other]) => other.count - one.count);
  return [
    describeRun(report),
    `**${errorCount} errors** in ${times.all.count + errorCount} operations; p99 ${number(times.all.p99, 1)} ms.`,
    ...(errorCount > 0 ? [table(['error', 'times'], Object.entries(errors))] : []),
    table(
      ['compared at the end', 'differences'],
      Object.entries(disagreements).map(([name, count]) => [name, count]),
    ),
    table(
      ['operation', 'requests', '%', ...timeColumns],
      [...kinds, ['all', times.all]].map(([kind, summary]) => [
        kind,
        summary.count,
        number((summary.count / times.all.count) * 100, 1),
        ...timesOf(summary),
      ]),
    ),
    describeMemory(samples),
    `CPU, in cores: ${Object.entries(report.cores)
      .map(([name, cores]) => `${name} ${cores.toFixed(2)}`)
      .join(', ')}, over ${number(seconds)} s.`,
    table(
      [
        'minute',
        'requests',
        ...timeColumns,
        'memory MB',
        'open files',
        'connections: clients',
        'PostgreSQL',
        'database MB',
      ],
      times.minutes.map((summary, minute) => [
        minute + 1,
        summary.count,
        ...timesOf(summary),
        ...describeSample(samples.findLast((sample) => Math.floor(sample.seconds / 60) === minute)),
      ]),
    ),
    'p50 / p95 / p99 / max in ms by operation and minute:',
    table(
      ['operation', ...times.minutes.map((_, minute) => minute + 1)],
      kinds.map(([kind]) => [
        kind,
        ...times.minutes.map((minute) =>
          minute.kinds[kind] ? timesOf(minute.kinds[kind]).join(' / ') : '–',
        ),
      ]),
    ),
    table(
      ['table at the end', 'rows', 'MB'],
      report.tables.map(({ name, rows, mb }) => [name, rows, mb.toFixed(1)]),
    ),
    '',
  ].join('\n\n');
}

function describeRun({ startedAt, node, capacity, rate, connections, seconds, isInterrupted, isOverloaded }) {
  const load =
    rate === undefined
      ? `${connections} clients, each sending its next request after the response to the last one.`
      : `${number(rate)} requests a second at a constant rate, each timed from when it was due` +
        (capacity === undefined
          ? '.'
          : `: ${number((rate / capacity) * 100)} % of the capacity, which was ${number(capacity)} requests a second of the same mix with ${connections} at a time.`);
  return (
    `Mixed load for ${number(seconds / 60, 1)} minutes from ${startedAt}, Node ${node}. ${load} HAProxy, two servers, PgBouncer ` +
    `(transaction mode), PostgreSQL and the load generator all share the ${cpus().length} cores of this machine (${cpus()[0].model}): ` +
    'the figures are those of this machine under this load, not limits of the program.' +
    (isInterrupted ? ' **Interrupted.**' : '') +
    (isOverloaded ? ' **Given up: the machine did not keep up with the rate.**' : '')
  );
}

function describeMemory(samples) {
  const servers = samples[0]?.memoryMb ?? [];
  const slopes = servers.map((_, server) => slopeOf(samples, ({ memoryMb }) => memoryMb[server]));
  const last = samples.at(-1)?.memoryMb ?? [];
  return (
    'Memory (RSS), slope over the second half by least squares: ' +
    slopes
      .map(
        (slope, server) =>
          `server ${server + 1} ${number(slope, 1)} MB an hour, ${number(last[server])} MB at the end`,
      )
      .join('; ') +
    '.'
  );
}

function describeSample(sample) {
  if (!sample) return ['–', '–', '–', '–', '–'];
  const { memoryMb, openFiles, clientConnections, connections, databaseMb } = sample;
  return [
    memoryMb.map((value) => number(value)).join(' + '),
    openFiles.join(' + '),
    clientConnections,
    connections,
    number(databaseMb),
  ];
}

function table(head, rows) {
  const line = (cells) => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}
