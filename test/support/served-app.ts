import { afterAll, beforeAll } from '@jest/globals';
import { logLinesOf } from './log-lines.ts';
import { startServer, type ServerProcess } from './server-process.ts';
import { plainGroup, testKey, type Json } from './test-app.ts';
import { createTestDatabase, type TestDatabase } from './test-database.ts';
import { waitUntil } from './wait-until.ts';

export type Answer = { readonly status: number; readonly requestId: string | null; readonly body: Json };

/** A server in a separate process, for what belongs to a process: its log, and variables that others read. */
export type ServedApp = {
  readonly database: TestDatabase;
  readonly process: ServerProcess;
  readonly httpUrl: string;
  /** Sends a JSON body to a path. */
  post(path: string, body: object | string, headers?: Record<string, string>): Promise<Answer>;
  get(path: string): Promise<Answer>;
  /** Creates a group and returns its id. */
  createGroup(group?: object): Promise<number>;
  /** Waits for the log line of a request. */
  lineOf(answer: Pick<Answer, 'requestId'>): Promise<Json>;
};

/** Starts a server on a separate database, for all tests of the file. */
export function useServedApp(
  readSettings: () => Record<string, string> | Promise<Record<string, string>>,
): ServedApp {
  const app = {} as { -readonly [Key in keyof ServedApp]: ServedApp[Key] };
  beforeAll(async () => {
    app.database = await createTestDatabase();
    app.process = startServer({
      DATABASE_URL: app.database.url,
      ADMIN_API_KEY: testKey,
      // Not tests of overload: see openTestApp.
      MAX_EVENT_LOOP_DELAY_MS: '60000',
      REQUEST_TIMEOUT_SECONDS: '120',
      ...(await readSettings()),
    });
    app.httpUrl = (await app.process.ready).url;
  });
  afterAll(async () => {
    app.process.kill('SIGTERM');
    await app.process.exited;
    await app.database.drop();
  });

  const send = async (path: string, init: RequestInit): Promise<Answer> => {
    const response = await fetch(app.httpUrl + path, {
      ...init,
      headers: { 'X-APIKEY': testKey, ...(init.headers as Record<string, string>) },
    });
    const text = await response.text();
    const isJson = response.headers.get('content-type')?.includes('json');
    const requestId = response.headers.get('x-request-id');
    return { status: response.status, requestId, body: isJson ? JSON.parse(text) : text };
  };
  app.get = (path) => send(path, {});
  app.post = (path, body, headers = {}) =>
    send(path, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', ...headers },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    });
  app.createGroup = async (group = {}) => {
    const { body } = await app.post('/createGroup', { group: { ...plainGroup, ...group } });
    return body.data.createGroup.id;
  };
  app.lineOf = async ({ requestId }) => {
    const find = () => logLinesOf(app.process, 'request').find((line) => line.requestId === requestId);
    await waitUntil(() => find() !== undefined);
    return find();
  };
  return app;
}
