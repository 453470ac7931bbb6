// The load generator, a separate process: a fixed number of connections, each sending its next request after the
// response to the last one. Checks every response. Reads its task from its argument as JSON, and prints the
// measurements as JSON.
import { connect } from 'node:net';
import { findFault } from './group-row.js';
import { readResponse } from './http-response.js';

/** `seconds` limits the time, and `requests` their number. The connections are spread over `ports`. */
const {
  ports,
  path,
  headers,
  query,
  resultPath,
  firstId,
  connections,
  seconds,
  requests = 1e9,
  isConstant,
} = JSON.parse(process.argv[2]);

let nextId = firstId;
let answered = 0;
const latencies = [];
const faults = [];
const startedAt = performance.now();
const endsAt = startedAt + seconds * 1000;
const head =
  `POST ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n` +
  Object.entries(headers)
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join('');

await Promise.all(Array.from({ length: connections }, (_, index) => work(ports[index % ports.length])));
const elapsed = (performance.now() - startedAt) / 1000;
latencies.sort((a, b) => a - b);
const quantile = (part) =>
  latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * part))] ?? null;
process.stdout.write(
  JSON.stringify({
    answered,
    perSecond: answered / elapsed,
    p50: quantile(0.5),
    p99: quantile(0.99),
    max: quantile(1),
    lastId: nextId - 1,
    faults: faults.slice(0, 5),
    faultCount: faults.length,
    cpuSeconds: (process.cpuUsage().user + process.cpuUsage().system) / 1e6,
    elapsed,
  }),
);

/** Runs one connection to a port, from its first request to its last response. */
function work(target) {
  return new Promise((resolve) => {
    const socket = connect(target, '127.0.0.1');
    socket.setNoDelay(true);
    let buffer = '';
    let id = 0;
    let sentAt = 0;
    const send = () => {
      if (performance.now() >= endsAt || nextId >= firstId + requests) {
        socket.end();
        resolve();
        return;
      }
      id = nextId++;
      const body = JSON.stringify({ query, variables: { id } });
      sentAt = performance.now();
      socket.write(`${head}Content-Length: ${body.length}\r\n\r\n${body}`);
    };
    socket.on('connect', send);
    socket.on('data', (chunk) => {
      buffer += chunk.toString('latin1');
      const response = readResponse(buffer);
      if (!response) return;
      latencies.push(performance.now() - sentAt);
      buffer = '';
      answered++;
      const fault = check(response, id);
      if (fault) faults.push(`id ${id}: ${fault}`);
      send();
    });
    socket.on('error', (error) => {
      faults.push(error.message);
      resolve();
    });
    socket.on('close', resolve);
  });
}

function check({ status, body }, id) {
  if (status !== 200) return `status ${status}: ${body.slice(0, 200)}`;
  const group = resultPath.reduce((value, name) => value?.[name], JSON.parse(body));
  return isConstant
    ? findFault(group, 1)
    : findFault(group, id) && `${findFault(group, id)}: ${body.slice(0, 200)}`;
}
