// node bench/sizing.js: from the cost of requests, as bench/cost.js has measured it, to cores, connections and disk. Prints
// the tables of docs/scaling.md.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** How much of a core may be used on average: the rest is for peaks, vacuum and a server that is gone. */
const maxUtilization = 0.7;
/** Requests for each delete. */
const requestsPerDelete = {
  deleteGroup: 1,
  createGroup: 1,
  editGroup: 1,
  subscribe: 10,
  searchGroups: 10,
};
const poolSize = 10;
const secondsPerDay = 86_400;

/**
 * Computes what a load needs. `costs` has, by operation, `serverMs` and `databaseMs` (CPU a request), `walBytes` and
 * `diskBytes` (growth a request); `rows` the bytes of a `group` and a `subscriber` with their indexes.
 * A server is one process with one core, and there are two at least; each opens its pool and one connection more.
 */
function computeSize({ costs, rows }, { plans, subscribers, deletesPerSecond }) {
  const sum = (read) =>
    Object.entries(requestsPerDelete).reduce(
      (total, [operation, count]) => total + count * deletesPerSecond * read(costs[operation]),
      0,
    );
  const serverCores = sum(({ serverMs }) => serverMs) / 1000 / maxUtilization;
  const databaseCores = sum(({ databaseMs }) => databaseMs) / 1000 / maxUtilization;
  const servers = Math.max(2, Math.ceil(serverCores));
  return {
    servers,
    databaseCores: Math.max(1, Math.ceil(databaseCores)),
    connections: servers * (poolSize + 1),
    walMbPerSecond: sum(({ walBytes }) => walBytes) / 1e6,
    dataGb: (plans * rows.group + subscribers * rows.subscriber) / 1e9,
    growthGbPerDay: (sum(({ diskBytes }) => diskBytes) * secondsPerDay) / 1e9,
  };
}

/** The loads of docs/scaling.md. */
const loads = [
  { plans: 1_000, subscribers: 100_000, deletesPerSecond: 0.01 },
  { plans: 100_000, subscribers: 1_000_000, deletesPerSecond: 1 },
  { plans: 1_000_000, subscribers: 10_000_000, deletesPerSecond: 10 },
  { plans: 1_000_000, subscribers: 100_000_000, deletesPerSecond: 100 },
  { plans: 10_000_000, subscribers: 100_000_000, deletesPerSecond: 1000 },
];

function table(head, rows) {
  const line = (cells) => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

/** The costs as a table of Markdown. */
function describeCosts({ costs }) {
  const rows = Object.entries(costs).map(([name, { serverMs, databaseMs, walBytes, diskBytes }]) => [
    name,
    serverMs.toFixed(2),
    databaseMs.toFixed(2),
    Math.round(walBytes),
    Math.round(diskBytes),
  ]);
  return table(['request', 'server, CPU ms', 'PostgreSQL, CPU ms', 'WAL, bytes', 'disk, bytes'], rows);
}

/** What the loads need, as a table of Markdown. */
function describeSizes(measured) {
  const number = (value) => value.toLocaleString('en');
  const rows = loads.map((load) => {
    const size = computeSize(measured, load);
    return [
      number(load.plans),
      number(load.subscribers),
      number(load.deletesPerSecond),
      number(size.servers),
      number(size.databaseCores),
      number(size.connections),
      size.walMbPerSecond.toFixed(2),
      size.dataGb.toFixed(1),
      size.growthGbPerDay.toFixed(2),
    ];
  });
  const head = [
    'plans',
    'subscribers',
    'deletes/s',
    'servers',
    'cores of PostgreSQL',
    'connections',
    'WAL, MB/s',
    'data, GB',
    'growth, GB a day',
  ];
  return table(head, rows);
}

/** Returns both tables. */
export const describeTables = (measured) => `${describeCosts(measured)}\n\n${describeSizes(measured)}\n`;

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const stored = readFileSync(new URL('results/cost.json', import.meta.url), 'utf8');
  process.stdout.write(describeTables(JSON.parse(stored)));
}
