import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { listExpectedEvents } from '../support/expected-events.ts';
import { chooseSeed, createRandom } from '../support/random.ts';
import { startServer, type ServerProcess } from '../support/server-process.ts';
import { subscribe } from '../support/subscription.ts';
import { testKey, type Json } from '../support/test-app.ts';
import { createTestDatabase, type TestDatabase } from '../support/test-database.ts';

const seconds = Number(process.env['RACE_SECONDS'] ?? 60);
const groupCount = 50;
const connections = 40;

let database: TestDatabase;
let servers: ServerProcess[];
beforeAll(async () => {
  database = await createTestDatabase();
  servers = [1, 2].map(() =>
    startServer({
      DATABASE_URL: database.url,
      ADMIN_API_KEY: testKey,
      LOG_LEVEL: 'error',
      // This is not a test of overload: on a busy machine the event loop may be late.
      MAX_EVENT_LOOP_DELAY_MS: '60000',
    }),
  );
  await Promise.all(servers.map(({ ready }) => ready));
});
afterAll(async () => {
  for (const server of servers) server.kill('SIGTERM');
  await Promise.all(servers.map(({ exited }) => exited));
  await database.drop();
});

test(
  `two servers, ${connections} connections, ${seconds} s of concurrent calls: no subscriber without a group, no lost write, every call in the audit, every change in the event feed`,
  async () => {
    const seed = chooseSeed('race');
    const urls = await Promise.all(servers.map(async ({ ready }) => (await ready).url));
    const rows = await database.sql<{ id: number }>(
      `INSERT INTO groups (name, tag_name, duration, price) SELECT 'g' || n, 't', 1, 1 FROM generate_series(1, $1) n RETURNING id`,
      [groupCount],
    );
    const ids = rows.map(({ id }) => id);
    const listener = await subscribe(urls[0]!, 'subscription { groupEvents { id } }');

    const calls: {
      requestId: string;
      operation: string;
      status: number;
      code: string | undefined;
      message: string | undefined;
      retryAfter: string | null;
      isDry: boolean;
      deleted: number[];
      restored: number[];
    }[] = [];
    const work = async (worker: number) => {
      const random = createRandom(seed + worker);
      const arguments_: Record<string, () => object> = {
        deleteGroup: () => ({
          id: random.pick(ids),
          moveSubscribersTo: random.below(3) === 0 ? random.pick(ids) : null,
          dryRun: random.below(10) === 0,
        }),
        deleteGroups: () => ({ ids: [...new Set([random.pick(ids), random.pick(ids), random.pick(ids)])] }),
        restoreGroup: () => ({ id: random.pick(ids) }),
        subscribe: () => ({
          username: `u${random.below(20)}`,
          groupId: random.pick(ids),
          // Some subscriptions expire during the race.
          expiresAt:
            random.below(2) === 0 ? new Date(Date.now() + random.below(2000) + 50).toISOString() : null,
        }),
        removeUserSubscription: () => ({ username: `u${random.below(20)}`, groupId: random.pick(ids) }),
        moveSubscribers: () => ({ fromGroupId: random.pick(ids), toGroupId: random.pick(ids) }),
        editGroup: () => ({
          id: random.pick(ids),
          group: { name: `n${random.below(100)}`, protected: random.below(8) === 0 },
        }),
      };
      const operations = [
        ...Object.keys(arguments_),
        'deleteGroup',
        'restoreGroup',
        'restoreGroup',
        'subscribe',
      ];
      const end = Date.now() + seconds * 1000;
      for (let call = 0; Date.now() < end; call++) {
        const operation = random.pick(operations);
        const args = arguments_[operation]!();
        const requestId = `race-${worker}-${call}`;
        const response = await fetch(`${urls[worker % urls.length]}/${operation}`, {
          method: 'POST',
          headers: { 'Content-Type': 'application/json', 'X-APIKEY': testKey, 'X-Request-Id': requestId },
          body: JSON.stringify(args),
        });
        const { data, errors } = (await response.json()) as Json;
        const isDry = 'dryRun' in args && args.dryRun === true;
        const isDone = response.status === 200 && !isDry;
        calls.push({
          requestId,
          operation,
          status: response.status,
          code: errors?.[0].extensions.code,
          message: errors?.[0].message,
          retryAfter: response.headers.get('retry-after'),
          isDry,
          deleted: !isDone
            ? []
            : operation === 'deleteGroup'
              ? [data.deleteGroup.id]
              : (data.deleteGroups ?? []).map(({ id }: Json) => id),
          restored: isDone && operation === 'restoreGroup' ? [data.restoreGroup.id] : [],
        });
      }
    };
    await Promise.all(Array.from({ length: connections }, (_, worker) => work(worker)));

    const counts: Record<number, number> = {};
    for (const { status } of calls) counts[status] = (counts[status] ?? 0) + 1;
    const deletes = calls.flatMap(({ deleted }) => deleted).length;
    process.stderr.write(
      `race: ${calls.length} calls, ${deletes} groups deleted, by status ${JSON.stringify(counts)}\n`,
    );
    const reasons = new Set(calls.flatMap(({ status, message }) => (status >= 500 ? [message] : [])));
    for (const reason of reasons) process.stderr.write(`race: ${reason}\n`);
    expect(deletes).toBeGreaterThan(0);

    // No internal error. On an overloaded machine a call may exceed the time limit for a lock, a connection or the
    // event loop: it is rejected with 503 and Retry-After, and changes nothing.
    expect(calls.filter(({ status }) => status >= 500 && status !== 503)).toStrictEqual([]);
    const [unavailable, answered] = [
      calls.filter(({ status }) => status === 503),
      calls.filter(({ status }) => status !== 503),
    ];
    for (const { code, retryAfter } of unavailable)
      expect([code, Number(retryAfter) > 0]).toStrictEqual(['SERVICE_UNAVAILABLE', true]);
    expect(
      await database.sql('SELECT * FROM subscribers WHERE group_id NOT IN (SELECT id FROM groups)'),
    ).toStrictEqual([]);
    expect(await database.sql('SELECT id FROM groups JOIN deleted_groups USING (id)')).toStrictEqual([]);

    // The state matches the acknowledged calls: an id is archived if it was deleted once more than it was restored.
    const archived = new Set(
      (await database.sql<{ id: number }>('SELECT id FROM deleted_groups')).map(({ id }) => id),
    );
    const live = new Set((await database.sql<{ id: number }>('SELECT id FROM groups')).map(({ id }) => id));
    for (const id of ids) {
      const balance =
        calls.filter(({ deleted }) => deleted.includes(id)).length -
        calls.filter(({ restored }) => restored.includes(id)).length;
      expect([id, archived.has(id), live.has(id)]).toStrictEqual([id, balance === 1, balance === 0]);
    }

    // Every call has one audit event with the outcome that the caller received; a call that was rejected with 503 has
    // one or none.
    const audit = await database.sql<{
      request_id: string;
      outcome: string;
      error_code: string | null;
      target_ids: string[];
    }>('SELECT request_id, outcome, error_code, target_ids FROM audit_events');
    const entries = new Map(audit.map((entry) => [entry.request_id, entry]));
    expect(entries.size).toBe(audit.length);
    const unavailableEntries = unavailable.flatMap(({ requestId }) => entries.get(requestId) ?? []);
    expect(audit).toHaveLength(answered.length + unavailableEntries.length);
    for (const { outcome, error_code } of unavailableEntries) {
      expect(error_code).toBe('SERVICE_UNAVAILABLE');
      expect(outcome).not.toBe('done');
    }
    for (const { requestId, status, deleted, code, isDry } of answered) {
      const { outcome, error_code, target_ids } = entries.get(requestId)!;
      expect(error_code).toBe(code ?? null);
      if (isDry) expect(outcome).toBe('dry-run');
      else expect([requestId, outcome]).toStrictEqual([requestId, status === 200 ? 'done' : 'refused']);
      expect(target_ids).toEqual(expect.arrayContaining(deleted.map(String)));
    }

    // A subscription to one server has received the events of both: one for each group of each executed call, once, in
    // the order of the audit log.
    const events = await listExpectedEvents((text) => database.sql(text));
    const received = (await listener.receive(events.length)).map(({ id }) => id);
    listener.close();
    expect(received).toStrictEqual(events);
  },
  (seconds + 120) * 1000,
);
