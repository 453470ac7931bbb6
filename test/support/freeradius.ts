import { execFile, spawn, spawnSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { access, constants, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { waitUntil } from './wait-until.ts';

/** Debian's configuration, which only root and the user of FreeRADIUS can read. */
export const debianConfiguration = '/etc/freeradius/3.0';
const program = '/usr/sbin/freeradius';

/** Whether Debian's packages freeradius, freeradius-postgresql and freeradius-utils can be used. Otherwise says so. */
export const hasFreeRadius = await isUsable();

async function isUsable(): Promise<boolean> {
  const files = [program, '/usr/bin/radclient', '/usr/lib/freeradius/rlm_sql_postgresql.so'];
  const results = await Promise.allSettled([
    ...files.map((file) => access(file)),
    access(join(debianConfiguration, 'radiusd.conf'), constants.R_OK),
    // The documented commands need it.
    spawnSync('psql', ['--version']).status === 0 ? Promise.resolve() : Promise.reject(new Error('no psql')),
  ]);
  if (results.every(({ status }) => status === 'fulfilled')) return true;
  process.stderr.write(
    'FreeRADIUS is not tried, since it is not installed, or its configuration cannot be read by this user\n',
  );
  return false;
}

/** A FreeRADIUS that listens on 127.0.0.1. */
export type FreeRadius = {
  readonly port: number;
  readonly accountingPort: number;
  /** Its debug output so far. */
  log(): string;
  close(): Promise<void>;
};

/**
 * Starts FreeRADIUS with a copy of Debian's configuration and deploy/freeradius, and returns when it accepts packets. Changes
 * the folder's name and the ports in the copy.
 */
export async function startFreeRadius(
  folder: string,
  environment: Readonly<Record<string, string>>,
): Promise<FreeRadius> {
  const [port, accountingPort, innerPort] = [
    await findFreePort(),
    await findFreePort(),
    await findFreePort(),
  ];
  await replaceIn(join(folder, 'radiusd.conf'), /^raddbdir = .*$/m, `raddbdir = ${folder}`);
  const listen = (type: string, ports: string) =>
    new RegExp(`(type = ${type}\n\\s*ipaddr = )\\S+(\n\\s*port = )${ports}`);
  const site = join(folder, 'sites-enabled/default');
  await replaceIn(site, listen('auth', '\\d+'), `$1127.0.0.1$2${port}`);
  await replaceIn(site, listen('acct', '\\d+'), `$1127.0.0.1$2${accountingPort}`);
  await replaceIn(join(folder, 'sites-enabled/inner-tunnel'), /port = \d+$/m, `port = ${innerPort}`);
  const args = ['-fxx', '-l', 'stdout', '-d', folder];
  const child = spawn(program, args, {
    env: { PATH: process.env['PATH'], ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let log = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => (log += chunk.toString()));
  const exited = once(child, 'exit');
  await waitUntil(() => {
    if (child.exitCode !== null) throw new Error(`FreeRADIUS ended: ${log.slice(-3000)}`);
    return log.includes('Ready to process requests');
  });
  return {
    port,
    accountingPort,
    log: () => log,
    async close() {
      child.kill('SIGTERM');
      await exited;
    },
  };
}

async function replaceIn(file: string, pattern: RegExp, replacement: string): Promise<void> {
  const text = await readFile(file, 'utf8');
  if (!pattern.test(text)) throw new Error(`${file} has no ${pattern}`);
  await writeFile(file, text.replace(pattern, replacement));
}

/** Finds a UDP port that was free a moment ago. */
async function findFreePort(): Promise<number> {
  const socket = createSocket('udp4');
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const { port } = socket.address();
  socket.close();
  return port;
}

/** Attributes of a packet by name; an undefined one is left out. */
export type RadiusAttributes = Readonly<Record<string, string | number | undefined>>;

/** The response to a packet, such as `Access-Accept`, with its attributes as radclient prints them, in their order. */
export type RadiusResponse = { readonly code: string; readonly attributes: readonly string[] };

/** Sends a packet with Debian's radclient. Rejects if no response arrives. */
export async function sendPacket(
  kind: 'auth' | 'acct' | 'disconnect' | 'coa',
  port: number,
  secret: string,
  attributes: RadiusAttributes,
): Promise<RadiusResponse> {
  const input = Object.entries(attributes)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name} = ${typeof value === 'number' ? value : JSON.stringify(value)}`)
    .join('\n');
  const output = await new Promise<string>((resolve) => {
    // It fails also if the response is a rejection, which it prints. FreeRADIUS recognizes retransmissions.
    const args = ['-x', '-r', '3', '-t', '20', `127.0.0.1:${port}`, kind, secret];
    const child = execFile('radclient', args, (_error, stdout, stderr) => resolve(stdout + stderr));
    child.stdin!.end(`${input}\n`);
  });
  return parseResponse(output);
}

/** Parses what radclient and radtest print. */
export function parseResponse(output: string): RadiusResponse {
  const match = /^Received (\S+) Id .*\n((?:\t.*\n?)*)/m.exec(output);
  if (!match) throw new Error(`No response: ${output}`);
  const [, code, attributes] = match;
  return { code: code!, attributes: attributes!.split('\n').flatMap((line) => line.trim() || []) };
}
