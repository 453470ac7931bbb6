import { afterAll, beforeAll } from '@jest/globals';
import { openDatabase, type Database } from '../../src/database/database.ts';
import { createEventFeed, type EventFeed } from '../../src/events/event-feed.ts';
import { createLogger } from '../../src/process/logger.ts';
import { useTestApp, type TestApp } from './test-app.ts';

/** Opens a server, and the feed of its events on other connections, for all tests of a file. */
export function useEventFeed(): { readonly app: TestApp; readonly feed: EventFeed } {
  let database: Database;
  const feed = {} as EventFeed;
  // Before the server, which drops the database.
  afterAll(() => database.close());
  const app = useTestApp();
  beforeAll(async () => {
    database = await openDatabase(
      { url: app.url, dataDir: '', poolSize: 2, hasPreparedStatements: true },
      await createLogger('silent', false),
    );
    Object.assign(feed, createEventFeed(database.prisma));
  });
  return { app, feed };
}
