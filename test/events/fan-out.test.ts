import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { pino } from 'pino';
import { openDatabase, type Database } from '../../src/database/database.ts';
import { createEventFeed, type EventFeed } from '../../src/events/event-feed.ts';
import { selectActiveEndpoints, type ActiveEndpoint } from '../../src/events/webhooks/endpoint-statements.ts';
import { createFanOut } from '../../src/events/webhooks/fan-out.ts';
import { eventsRead } from '../../src/measurements/channels.ts';
import { createLogger } from '../../src/process/logger.ts';
import { createCommandLine } from '../support/command-line.ts';
import { type Json } from '../support/test-app.ts';
import { createTestDatabase, type TestDatabase } from '../support/test-database.ts';

// Turns events into deliveries without a server, which would do so too, and send them.

let database: TestDatabase;
let opened: Database;
let feed: EventFeed;
beforeAll(async () => {
  database = await createTestDatabase();
  opened = await openDatabase(
    { url: database.url, dataDir: '', poolSize: 2, hasPreparedStatements: true },
    await createLogger('silent', false),
  );
  feed = createEventFeed(opened.prisma);
});
afterEach(() => database.sql('DELETE FROM webhook_endpoints'));
afterAll(async () => {
  await opened.close();
  await database.drop();
});
const { run } = createCommandLine(() => database);

type Place = { readonly id: string; readonly at: Date };

/** Writes the audit event of a call that was executed some days ago. */
async function addEvent(daysAgo: number, row: object = { id: 1 }): Promise<Place> {
  const [place] = await database.sql<Place>(
    `INSERT INTO audit_events (at, account, credential, address, request_id, operation, target_ids, outcome, after)
     VALUES (now() - $1 * interval '1 day', 'admin', 'api-key', '127.0.0.1', 'r', 'subscribe', ARRAY['1'], 'done', $2)
     RETURNING id::text, at`,
    [daysAgo, row],
  );
  return place!;
}

/** Adds a webhook that has got all events up to a place, and returns its id. */
async function addWebhook({ id, at }: Place): Promise<number> {
  const [row] = await database.sql<{ id: number }>(
    `INSERT INTO webhook_endpoints (url, secret, cursor) VALUES ('https://127.0.0.1/', 'whsec_', $1) RETURNING id`,
    [`${id}-${at.getTime()}`],
  );
  return row!.id;
}

/** Creates a fan-out, and returns the function that runs it once, with the warnings so far. */
function createRun(readFrom: EventFeed = feed) {
  const warnings: Json[] = [];
  const log = pino({ level: 'warn' }, { write: (line: string) => void warnings.push(JSON.parse(line)) });
  const fanOut = createFanOut(opened.prisma, readFrom, log);
  const runOnce = async () =>
    fanOut.run(await opened.prisma.$queryRaw<ActiveEndpoint[]>(selectActiveEndpoints));
  return { runOnce, warnings };
}
const deliveredIds = async () =>
  (await database.sql<{ id: string }>('SELECT event_id AS id FROM webhook_deliveries ORDER BY id')).map(
    ({ id }) => id.split('-')[0],
  );

test('a webhook whose next events are older than the feed receives the later ones; a warning names it and the times between', async () => {
  const position = await addEvent(20);
  await addEvent(10);
  const next = await addEvent(1);
  const webhook = await addWebhook(position);
  const { runOnce, warnings } = createRun();
  await runOnce();
  expect(await deliveredIds()).toStrictEqual([next.id]);
  const times = { after: position.at.toISOString(), before: next.at.toISOString() };
  expect(warnings).toMatchObject([
    {
      webhooks: [webhook],
      ...times,
      msg: expect.stringMatching(/^webhooks do not receive the events between/),
    },
  ]);
  await addEvent(0);
  await runOnce();
  expect(warnings).toHaveLength(1);
});

test('a webhook that is older than the feed has missed nothing if there were no events since, or only calls that were rolled back', async () => {
  const position = await addEvent(20);
  await addWebhook(position);
  await database.sql(`SELECT nextval(pg_get_serial_sequence('audit_events', 'id'))`);
  const next = await addEvent(1);
  const { runOnce, warnings } = createRun();
  await runOnce();
  expect([await deliveredIds(), warnings]).toStrictEqual([[next.id], []]);
});

test('webhooks enable warns of the events that are too old to be sent, and --from-now does not', async () => {
  const position = await addEvent(20);
  await addEvent(10);
  const next = await addEvent(1);
  const webhook = String(await addWebhook(position));
  await run('webhooks', 'disable', webhook);
  expect(await run('webhooks', 'enable', webhook)).toStrictEqual({
    stdout: `Webhook ${webhook} is enabled\n`,
    stderr:
      `Warning: the events after ${position.at.toISOString()} and before ${next.at.toISOString()} are too old to be sent. ` +
      'Let the receiver read the groups again\n',
    code: 0,
  });
  expect((await run('webhooks', 'enable', webhook, '--from-now')).stderr).toBe('');
  expect((await run('webhooks', 'enable', webhook)).stderr).toBe('');
});

test('a webhook whose position was dropped with its month misses the later events of that month, with a warning', async () => {
  const position = await addEvent(2);
  await addEvent(2);
  const next = await addEvent(0);
  const webhook = await addWebhook(position);
  // As with AUDIT_RETENTION_DAYS=1 on the third day of a month.
  await database.sql(
    `BEGIN; SET LOCAL session_replication_role = replica;
     DELETE FROM audit_events WHERE id < ${next.id}; COMMIT`,
  );
  const { runOnce, warnings } = createRun();
  await runOnce();
  expect(await deliveredIds()).toStrictEqual([next.id]);
  expect(warnings).toMatchObject([{ webhooks: [webhook], before: next.at.toISOString() }]);
  expect(
    await feed.read({ auditId: BigInt(position.id), atMs: position.at.getTime(), index: 0 }),
  ).toMatchObject({
    isLost: false,
  });
});

test('an erased username is in no delivery, although a server had read its events before the erasure; they count as read once', async () => {
  const position = await addEvent(0);
  await addWebhook(position);
  const event = await addEvent(0, { id: 7, username: 'mina', group_id: 1 });
  const pages: unknown[] = [];
  const counts: number[] = [];
  const addCount = ({ count }: { count: number }) => void counts.push(count);
  eventsRead.subscribe(addCount);
  const { runOnce } = createRun({
    ...feed,
    async read(after) {
      const page = await feed.read(after);
      if (pages.push(page) === 1) {
        expect(JSON.stringify(page.events.map(({ data }) => data))).toContain('mina');
        expect(await run('subscribers', 'erase', 'mina', '--yes')).toMatchObject({ code: 0, stderr: '' });
      }
      return page;
    },
  });
  await runOnce();
  await runOnce();
  eventsRead.unsubscribe(addCount);
  expect(counts).toStrictEqual([1]);
  const rows = await database.sql('SELECT data::text AS text, event_id FROM webhook_deliveries');
  expect(rows).toStrictEqual([
    {
      event_id: expect.stringMatching(new RegExp(`^${event.id}-`)),
      text: expect.stringContaining('"erased-'),
    },
  ]);
  expect(rows[0]!['text']).not.toContain('mina');
});
