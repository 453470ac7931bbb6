import http from 'node:http';
import https from 'node:https';
import { isIP } from 'node:net';
import { resolveTarget, type Resolve } from './resolve-target.ts';
import { parseRetryAfter } from './retry-schedule.ts';
import { signMessage } from './signature.ts';
import type { TargetAddress, TargetPolicy } from './target-url.ts';

/** What is sent in an attempt, and where. */
type AttemptRequest = {
  readonly url: string;
  /** The current secret, and the previous one while it is valid. */
  readonly secrets: readonly string[];
  /** The `webhook-id`. */
  readonly id: string;
  readonly body: string;
};

/** The result of an attempt. It has succeeded if the status is 2xx. */
export type AttemptResult = {
  readonly isSuccess: boolean;
  /** Null if there was no response. */
  readonly status: number | null;
  /** The beginning of the response, at most 1 KiB, as text. */
  readonly body: string | null;
  /** Why the attempt failed, null if it succeeded. */
  readonly error: string | null;
  readonly retryAfterMs?: number | undefined;
};

/** Sends attempts, until it is closed. */
export type AttemptSender = {
  /** Never throws: an attempt that cannot be made is a failed one. `signal` abandons it. */
  send(request: AttemptRequest, signal?: AbortSignal): Promise<AttemptResult>;
  close(): void;
};

/** An attempt takes at most this long, with the resolution of the name. */
const attemptTimeoutMs = 15_000;
const maxStoredBytes = 1024;
/** A longer response is cut off by closing its connection. */
const maxReadBytes = 64 * 1024;
const idleSocketMs = 5000;
/** The addresses of a name that an attempt tries. */
const maxAddresses = 3;
/** A connection that is not open after this time is given up if the name has another address. */
const connectTimeoutMs = 4000;

/**
 * Creates a sender of attempts, which connects to the very address that was checked. `resolve` resolves names. The
 * agents honor no proxy variables, and redirects are not followed.
 */
export function createAttemptSender(policy: TargetPolicy, resolve: Resolve): AttemptSender {
  // The key of a connection in an agent contains the address, so that one that is reused has been checked, too.
  const options = { keepAlive: true, timeout: idleSocketMs, maxFreeSockets: 32 };
  const agents = { 'http:': new http.Agent(options), 'https:': new https.Agent(options) };
  /** The address of a name that accepted a connection after others did not: the next attempt tries it first. */
  const reachable = new Map<string, string>();
  const inOrder = (hostname: string, addresses: readonly TargetAddress[]) => {
    const last = addresses.find(({ address }) => address === reachable.get(hostname));
    return last === undefined ? addresses : [last, ...addresses.filter((address) => address !== last)];
  };
  return {
    async send(request, signal) {
      const stop = new AbortController();
      const abandon = () => stop.abort();
      const timer = setTimeout(abandon, attemptTimeoutMs);
      if (signal?.aborted) abandon();
      signal?.addEventListener('abort', abandon, { once: true });
      try {
        const url = new URL(request.url);
        const addresses = await orAbort(resolveTarget(url, policy, resolve), stop.signal);
        const agent = agents[url.protocol as keyof typeof agents];
        const tried = inOrder(url.hostname, addresses).slice(0, maxAddresses);
        return await postToFirst(tried, async (address, isLast) => {
          const result = await post(request, url, address, agent, stop.signal, !isLast);
          if (address !== tried[0]) reachable.set(url.hostname, address.address);
          return result;
        });
      } catch (error) {
        const reason = stop.signal.aborted
          ? `No response within ${attemptTimeoutMs / 1000} s`
          : describeError(error as NodeJS.ErrnoException);
        return { isSuccess: false, status: null, body: null, error: reason };
      } finally {
        clearTimeout(timer);
        signal?.removeEventListener('abort', abandon);
      }
    },
    close() {
      for (const agent of Object.values(agents)) agent.destroy();
    },
  };
}

/** Tries the next address of a name if no connection to the one before can be opened. */
async function postToFirst(
  addresses: readonly TargetAddress[],
  postTo: (address: TargetAddress, isLast: boolean) => Promise<AttemptResult>,
): Promise<AttemptResult> {
  const [first, ...others] = addresses;
  return postTo(first!, others.length === 0).catch((error: NodeJS.ErrnoException) => {
    if (error.syscall !== 'connect' || others.length === 0) throw error;
    return postToFirst(others, postTo);
  });
}

/** Sends one request. `hasConnectTimeout` limits the time to open the connection. @throws an error of the connection */
async function post(
  { id, body, secrets }: AttemptRequest,
  url: URL,
  { address, family }: TargetAddress,
  agent: http.Agent,
  signal: AbortSignal,
  hasConnectTimeout: boolean,
): Promise<AttemptResult> {
  const isTls = url.protocol === 'https:';
  const hostname = url.hostname.replace(/^\[(.*)\]$/, '$1');
  const send = (connections: http.Agent | false) => {
    const request = (isTls ? https : http).request({
      agent: connections,
      host: address,
      family,
      port: url.port || (isTls ? 443 : 80),
      method: 'POST',
      path: url.pathname + url.search,
      // RFC 6066 forbids literal addresses in SNI; the certificate is then checked against the address.
      ...(isTls && isIP(hostname) === 0 && { servername: hostname }),
      headers: {
        Host: url.host,
        'Content-Type': 'application/json',
        'Content-Length': Buffer.byteLength(body),
        'User-Agent': 'group-api-webhooks',
        ...signMessage({ id, timestamp: Math.floor(Date.now() / 1000), body }, secrets),
      },
      signal,
    });
    if (hasConnectTimeout) limitConnectTime(request);
    request.end(body);
    return readResponse(request);
  };
  return send(agent).catch((error: unknown) => {
    // The receiver has closed an idle connection just now, and maybe others: a new one is no further attempt.
    if (error instanceof StaleConnectionError) return send(false);
    throw error;
  });
}

/** Fails a request whose connection is not open after `connectTimeoutMs`, with the error of the system for it. */
function limitConnectTime(request: http.ClientRequest): void {
  request.on('socket', (socket) => {
    if (!socket.connecting) return;
    const reason = `no connection to ${request.host} within ${connectTimeoutMs / 1000} s`;
    const error = Object.assign(new Error(reason), { code: 'ETIMEDOUT', syscall: 'connect' });
    const timer = setTimeout(() => request.destroy(error), connectTimeoutMs);
    const stop = () => clearTimeout(timer);
    socket.once('connect', stop).once('close', stop);
  });
}

class StaleConnectionError extends Error {}

/** Reads the status and the beginning of a response: its status decides, even if the rest of the body never arrives. */
function readResponse(request: http.ClientRequest): Promise<AttemptResult> {
  return new Promise((resolve, reject) => {
    request.on('error', (error: NodeJS.ErrnoException) =>
      reject(
        request.reusedSocket && error.code === 'ECONNRESET' ? new StaleConnectionError(error.message) : error,
      ),
    );
    // Another protocol is no answer to an event.
    request.on('upgrade', (_response, socket) =>
      socket.destroy(new Error('The receiver switched protocols')),
    );
    let hasResponse = false;
    request.on('response', (response) => {
      hasResponse = true;
      const chunks: Buffer[] = [];
      let length = 0;
      const finish = () => resolve(readResult(response, Buffer.concat(chunks)));
      response.on('data', (chunk: Buffer) => {
        if (length < maxStoredBytes) chunks.push(chunk.subarray(0, maxStoredBytes - length));
        length += chunk.length;
        if (length > maxReadBytes) response.destroy();
      });
      response.on('close', finish);
      response.on('error', finish);
    });
    request.on('close', () => {
      if (!hasResponse) reject(new Error('The receiver closed the connection without a response'));
    });
  });
}

function readResult(response: http.IncomingMessage, body: Buffer): AttemptResult {
  const status = response.statusCode!;
  const isSuccess = status >= 200 && status < 300;
  const isRedirect = status >= 300 && status < 400;
  return {
    isSuccess,
    status,
    // PostgreSQL's text has no NUL; a character that is cut off is replaced.
    body: body.toString().replaceAll('\0', '\uFFFD'),
    error: isSuccess ? null : `HTTP ${status}${isRedirect ? ': redirects are not followed' : ''}`,
    retryAfterMs: parseRetryAfter(response.headers['retry-after'], Date.now()),
  };
}

/** Rejects once the signal is aborted, although the work cannot be. */
async function orAbort<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const abort = () => reject(signal.reason as Error);
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort, { once: true });
    void work.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}

function describeError({ message, code }: NodeJS.ErrnoException): string {
  const text = code === undefined || message.includes(code) ? message : `${message} (${code})`;
  return text.slice(0, maxStoredBytes).toWellFormed().replaceAll('\0', '\uFFFD');
}
