import { afterAll, beforeAll } from '@jest/globals';
import { openApp } from '../../src/app.ts';
import { readConfig } from '../../src/config/load-config.ts';
import type { Config } from '../../src/config/settings.ts';
import { openDatabase } from '../../src/database/database.ts';
import { createLogger } from '../../src/process/logger.ts';
import { createTestDatabase, type TestDatabase } from './test-database.ts';

export const testKey = 'a-key-for-tests-of-forty-characters-....';

// any: tests check responses by assertions, not by types.
export type Json = any;

/** A response, with the body parsed if it is JSON. */
export type ApiResponse = { readonly status: number; readonly headers: Headers; readonly body: Json };

/** The complete server, in this process, on a separate database and a real socket. */
export type TestApp = TestDatabase & {
  readonly httpUrl: string;
  /** Sends an operation to `/graphql`. */
  graphql(query: string, variables?: object, headers?: Record<string, string>): Promise<ApiResponse>;
  /** Sends a JSON body to a path. */
  post(path: string, body: unknown, headers?: Record<string, string>): Promise<ApiResponse>;
  /** Sends any request, with the key. */
  send(path: string, init?: RequestInit): Promise<ApiResponse>;
  /** Creates a group and returns its id. */
  createGroup(group?: object): Promise<number>;
  close(): Promise<void>;
};

export async function openTestApp(settings: Partial<Config> = {}, existing?: TestDatabase): Promise<TestApp> {
  const database = existing ?? (await createTestDatabase());
  const config = {
    ...readConfig(
      {
        PORT: '0',
        DATABASE_URL: database.url,
        ADMIN_API_KEY: testKey,
        LOG_LEVEL: 'silent',
        // A loaded machine is no fault of what a test looks at.
        MAX_EVENT_LOOP_DELAY_MS: '60000',
      },
      false,
    ),
    // Not tests of overload: on a machine that others keep busy, the event loop and requests are late by chance.
    MAX_EVENT_LOOP_DELAY_MS: 60_000,
    REQUEST_TIMEOUT_SECONDS: 120,
    ...settings,
  };
  const log = await createLogger(config.LOG_LEVEL, false);
  const opened = await openDatabase(
    {
      url: config.DATABASE_URL,
      dataDir: config.DATA_DIR,
      poolSize: config.DATABASE_POOL_SIZE,
      hasPreparedStatements: config.DATABASE_PREPARED_STATEMENTS,
    },
    log,
  );
  const app = await openApp(config, opened, log).catch(async (error: unknown) => {
    await opened.close();
    await database.drop();
    throw error;
  });

  const send = async (path: string, init: RequestInit = {}): Promise<ApiResponse> => {
    const response = await fetch(app.url + path, {
      ...init,
      headers: { 'X-APIKEY': testKey, ...(init.headers as Record<string, string>) },
    });
    const text = await response.text();
    const isJson = response.headers.get('content-type')?.includes('json');
    return { status: response.status, headers: response.headers, body: isJson ? JSON.parse(text) : text };
  };
  const post = (path: string, body: unknown, headers: Record<string, string> = {}) =>
    send(path, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', ...headers },
      body: JSON.stringify(body),
    });

  return {
    ...database,
    httpUrl: app.url,
    send,
    post,
    graphql: (query, variables, headers) => post('/graphql', { query, variables }, headers),
    async createGroup(group = {}) {
      const answer = await post('/createGroup', { group: { ...plainGroup, ...group } });
      if (answer.status !== 200) throw new Error(JSON.stringify(answer.body));
      return answer.body.data.createGroup.id;
    },
    async close() {
      await app.close();
      await opened.close();
      await database.drop();
    },
  };
}

/** Opens a server for all tests of the file, or of the `describe`, and closes it after them. Until the tests run it is empty. */
export function useTestApp(
  settings: Partial<Config> = {},
  prepareDatabase: () => TestDatabase | Promise<TestDatabase> = createTestDatabase,
): TestApp {
  const app = {} as TestApp;
  beforeAll(async () => {
    Object.assign(app, await openTestApp(settings, await prepareDatabase()));
  });
  afterAll(() => app.close());
  return app;
}

/** A group with the required fields only. */
export const plainGroup = { name: 'Plain', tagName: 'plain', duration: 30, price: '9.90' };

/** The vendor's twelve fields. */
export const twelveFields =
  'id name description tagName duration price usernamePostfix usernamePostfixId dailyBandwidth multiLoginCount downloadUpload ip';

/** All fields of a group, and all of its service group. */
export const groupFields = `${twelveFields} hidden protected version isRetired retiresAt createdAt updatedAt subscriberCount
  serviceGroup { id name description language discount }`;
