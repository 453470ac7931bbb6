// Runs the load generator (load.js) as a separate process.
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const script = fileURLToPath(new URL('load.js', import.meta.url));

/**
 * Deletes groups from `firstId` on by the requests of a peer, over `connections` that are spread over the servers, until
 * `seconds` have passed or `requests` groups are deleted. Returns what load.js measures, with the first wrong responses.
 */
export async function runLoad(peer, servers, { firstId, connections, seconds, requests }) {
  const { path, headers, query, resultPath, isConstant } = peer;
  const ports = servers.map(({ port }) => port);
  const task = {
    ports,
    path,
    headers,
    query,
    resultPath,
    isConstant,
    firstId,
    connections,
    seconds,
    requests,
  };
  const { stdout } = await promisify(execFile)(process.execPath, [script, JSON.stringify(task)]);
  return JSON.parse(stdout);
}

/** As `runLoad`. @throws Error if a response is wrong */
export async function runCheckedLoad(peer, servers, task) {
  const run = await runLoad(peer, servers, task);
  if (run.faults.length > 0) throw new Error(`${peer.name}: wrong responses: ${run.faults.join('; ')}`);
  return run;
}
