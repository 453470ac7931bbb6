import { defaultConnectTimeoutMs } from './connect-timeout.ts';
import { readOnlyTransaction } from './sql-states.ts';

/** One of the servers that a URL names. */
export type Host = { readonly host: string; readonly port?: number };

/** Which server a connection may lead to: see `target_session_attrs` of libpq. */
export type TargetSession = 'any' | 'read-write' | 'primary';

const minTimeoutMs = 1000;

/**
 * The servers of a URL. Connections go to the first one that accepts them and is the right one of the servers; if it no
 * longer does, to the next one, and so on in a circle.
 */
export class Hosts {
  readonly count: number;
  /** How long to wait for a connection to one host, in milliseconds. */
  readonly timeoutMs: number;
  readonly #hosts: readonly Host[];
  readonly #target: TargetSession;
  #index = 0;

  /** `timeoutMs` is the limit for each host. If unset, all hosts together have three seconds, but each has one. */
  constructor(hosts: readonly Host[], target: TargetSession, timeoutMs?: number) {
    this.#hosts = hosts;
    this.#target = target;
    this.count = hosts.length;
    this.timeoutMs = timeoutMs ?? Math.max(minTimeoutMs, Math.floor(defaultConnectTimeoutMs / hosts.length));
  }

  /** The host that the next connection leads to. */
  get current(): Host {
    return this.#hosts[this.#index]!;
  }

  /** Makes the next connection lead to the next host, unless another connection has done so. */
  leave(host: Host): void {
    if (host === this.current) this.#index = (this.#index + 1) % this.#hosts.length;
  }

  /** @throws Error with PostgreSQL's code 25006 if the server of a connection is not the requested one. */
  requireTarget({ isStandby, isReadOnly }: { isStandby: boolean; isReadOnly: boolean }): void {
    if (this.#target === 'any' || (!isStandby && (this.#target === 'primary' || !isReadOnly))) return;
    throw withCode(new Error(isStandby ? 'it is a standby' : 'it is read-only'), readOnlyTransaction);
  }
}

/** Connects to one host after the other, until `connect` succeeds; it leaves a host that does not work. */
export async function connectToHosts<T>(hosts: Hosts, connect: () => Promise<T>): Promise<T> {
  const failures: string[] = [];
  for (;;) {
    const { host, port } = hosts.current;
    try {
      return await connect();
    } catch (error) {
      const { message, code = codeOf((error as Error).cause) } = error as NodeJS.ErrnoException;
      // The pool is busy: this says nothing about the host.
      if (hosts.count === 1 || poolTimeout.test(message)) throw error;
      failures.push(
        `${host}${port === undefined ? '' : `:${port}`}: ${message || (code ?? 'unknown error')}`,
      );
      if (failures.length < hosts.count) continue;
      throw withCode(
        new Error(`none of the hosts can be used (${failures.join('; ')})`, { cause: error }),
        code,
      );
    }
  }
}

const poolTimeout = /^timeout exceeded when trying to connect$/;

function codeOf(cause: unknown): string | undefined {
  return (cause as NodeJS.ErrnoException | undefined)?.code;
}

function withCode(error: Error, code: string | undefined): Error {
  return code === undefined ? error : Object.assign(error, { code });
}
