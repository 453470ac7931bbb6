import { execFileSync } from 'node:child_process';
import { Agent, request } from 'node:http';
import { afterAll, afterEach, beforeAll } from '@jest/globals';
import { startServer, type ServerProcess } from './server-process.ts';
import { testKey, type Json } from './test-app.ts';
import { createTestDatabase, type TestDatabase } from './test-database.ts';

/** Starts servers with WORKERS for the tests of a file, on one database. A server ends after its test. */
export function useServersWithWorkers() {
  const database = {} as TestDatabase;
  beforeAll(async () => {
    Object.assign(database, await createTestDatabase());
  });
  afterAll(() => database.drop());

  let running: ServerProcess | undefined;
  afterEach(async () => {
    running?.kill('SIGTERM');
    await running?.exited;
    running = undefined;
  });
  /** Ends the server after the test. */
  const endAfterTest = (server: ServerProcess) => {
    running = server;
    return server;
  };
  const start = async (settings: Record<string, string>, folder?: string) => {
    const all = {
      DATABASE_URL: database.url,
      ADMIN_API_KEY: testKey,
      // Not tests of overload: see openTestApp.
      MAX_EVENT_LOOP_DELAY_MS: '60000',
      REQUEST_TIMEOUT_SECONDS: '120',
      ...settings,
    };
    const server = endAfterTest(startServer(all, [], undefined, folder));
    const { url } = await server.ready;
    return { server, url };
  };
  return { database, start, endAfterTest };
}

/** Sends a POST on a new connection, so that the next worker receives it. */
export const post = (url: string, path: string, body: object, key = testKey) =>
  new Promise<{ status: number; remaining: string | undefined; body: Json }>((resolve, reject) => {
    const headers = { 'Content-Type': 'application/json', 'X-APIKEY': key };
    request(`${url}/${path}`, { method: 'POST', headers, agent: new Agent({ keepAlive: false }) })
      .on('response', (response) => {
        let text = '';
        response
          .on('data', (chunk: Buffer) => (text += chunk.toString()))
          .on('end', () => {
            const remaining = response.headers['ratelimit-remaining'] as string | undefined;
            resolve({ status: response.statusCode!, remaining, body: JSON.parse(text) });
          })
          .on('error', reject);
      })
      .on('error', reject)
      .end(JSON.stringify(body));
  });

const readLog = (process: ServerProcess): Json[] =>
  process
    .stderr()
    .split('\n')
    .filter((line) => line.startsWith('{') && line.endsWith('}'))
    .map((line) => JSON.parse(line));
/** The lines of the log with a message. */
export const linesOf = (process: ServerProcess, message: string) =>
  readLog(process).filter(({ msg }) => msg === message);
/** The processes that have written a line. */
export const pidsOf = (process: ServerProcess, message: string) =>
  new Set(linesOf(process, message).map(({ pid }) => pid as number));
/** The children that run, without those that have ended and wait to be collected. */
export const childrenOf = (pid: number): number[] => {
  try {
    return execFileSync('ps', ['-o', 'pid=,stat=', '--ppid', String(pid)])
      .toString()
      .trim()
      .split('\n')
      .filter((line) => !/ Z/.test(line))
      .map((line) => Number.parseInt(line, 10));
  } catch {
    return []; // ps has found none.
  }
};
/** Returns whether a process exists. */
export const isRunning = (pid: number) => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};
