import { afterAll, afterEach, beforeAll } from '@jest/globals';
import { startPgBouncer } from './pgbouncer.js';
import { startTcpPostgres, type TcpPostgres } from './tcp-postgres.ts';

/** Starts a PostgreSQL for the tests of a file, and PgBouncers for each test. */
export function usePoolers() {
  const postgres = {} as TcpPostgres;
  const urlOfPort = (port: number) => `postgresql://postgres@127.0.0.1:${port}/postgres`;
  beforeAll(async () => {
    Object.assign(postgres, await startTcpPostgres());
  });
  afterAll(() => postgres.close());

  /** The running poolers of the test, so that none outlives a test that fails. */
  const poolers: { close(): Promise<void> }[] = [];
  afterEach(async () => {
    await Promise.all(poolers.splice(0).map((pooler) => pooler.close()));
  });

  /** Starts a PgBouncer and returns the URL of the database `postgres` through it. */
  async function startPooler(settings: Readonly<Record<string, string | number>>): Promise<string> {
    const pooler = await startPgBouncer({ host: '127.0.0.1', port: postgres.port }, settings);
    poolers.push(pooler);
    return urlOfPort(pooler.port);
  }
  return { postgres, startPooler, urlOfPort };
}
