import { Hosts, type Host, type TargetSession } from './hosts.ts';
import type { Parameters } from './url-parameters.ts';

const targets: readonly string[] = ['any', 'read-write', 'primary'] satisfies readonly TargetSession[];

/**
 * Reads the hosts of a URL: those of its authority, such as `one:5432,[::1]`, unless parameters replace them.
 * @throws Error whose message completes "DATABASE_URL must be …"
 */
export function readHosts(authority: string, parameters: Parameters, malformed: string): readonly Host[] {
  const inUrl = authority.split(',').map((text) => {
    const [, host, port] = /^(\[[^\]]*\]|[^:[\]]*)(?::(\d*))?$/.exec(text) ?? [];
    if (host === undefined) throw new Error(malformed);
    return { host: decode(host.replace(/^\[(.+)\]$/, '$1'), malformed), port: port ?? '' };
  });
  const names = parameters.host?.split(',') ?? inUrl.map(({ host }) => host);
  const ports = parameters.port?.split(',') ?? inUrl.map(({ port }) => port);
  if (ports.length !== 1 && ports.length !== names.length) {
    throw new Error('a URL with as many ports as hosts, or one port for all');
  }
  if (names.length > 1 && names.includes('')) throw new Error('a URL whose list of hosts has no empty name');
  return names.map((host, index) => {
    const port = readPort(ports.length === 1 ? ports[0]! : ports[index]!);
    return { host, ...(port !== undefined && { port }) };
  });
}

/**
 * Returns the hosts to choose from, or undefined if there is no choice and each server will do.
 * @throws Error whose message completes "DATABASE_URL must be …"
 */
export function readChoice(
  hosts: readonly Host[],
  target: string = 'any',
  timeoutMs: number | undefined,
): Hosts | undefined {
  if (!targets.includes(target)) {
    throw new Error(
      `a URL whose target_session_attrs is one of ${targets.join(', ')}, since group-api writes`,
    );
  }
  if (hosts.length > 1 && target === 'any') {
    throw new Error(
      'a URL with target_session_attrs=read-write or primary, since only one of several hosts accepts writes',
    );
  }
  return target === 'any' ? undefined : new Hosts(hosts, target as TargetSession, timeoutMs);
}

/** Returns hosts as text, such as `one:5432,[::1]`. */
export function describeHosts(hosts: readonly Host[]): string {
  return hosts
    .map(({ host, port }) => {
      const name = (host || 'localhost').replace(/^([^/]*:.*)$/, '[$1]');
      return port === undefined ? name : `${name}:${port}`;
    })
    .join(',');
}

/** Decodes a part of a URL. @throws Error with the message `malformed` */
export function decode(text: string, malformed: string): string {
  let decoded: string;
  try {
    decoded = decodeURIComponent(text);
  } catch {
    throw new Error(malformed);
  }
  if (decoded.includes('\0')) throw new Error(malformed);
  return decoded;
}

function readPort(text: string): number | undefined {
  if (text === '') return undefined;
  const port = Number(text);
  if (!/^\d{1,5}$/.test(text) || port < 1 || port > 65_535) {
    throw new Error('a URL whose port is a whole number from 1 to 65535');
  }
  return port;
}
