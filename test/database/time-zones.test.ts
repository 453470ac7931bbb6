import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { createCommandLine } from '../support/command-line.ts';
import { chooseSeed } from '../support/random.ts';
import { openTestApp, useTestApp } from '../support/test-app.ts';
import { createTestDatabase } from '../support/test-database.ts';
import { useTestFolder } from '../support/test-folder.ts';

/** Zones with special cases: offsets with seconds before 1935, daylight saving and its gaps, both sides of UTC. */
const zones = ['Asia/Tehran', 'America/New_York', 'Pacific/Kiritimati', 'UTC'];

const firstInstant = Date.parse('0001-01-01T00:00:00.000Z');
const lastInstant = Date.parse('9999-12-31T23:59:59.999Z');
/** The first and the last instant, and instants around changes of an offset in one of the zones. */
const notableInstants = [
  '0001-01-01T00:00:00.000Z',
  '0099-12-31T23:59:59.999Z',
  '1900-01-01T00:00:00.000Z',
  '1969-12-31T23:59:59.999Z',
  '2022-03-21T20:30:00.000Z',
  '2022-09-21T19:30:00.000Z',
  '2026-03-08T02:30:00.000Z',
  '2026-03-08T06:59:59.999Z',
  '2026-03-08T07:00:00.000Z',
  '2026-11-01T05:30:00.000Z',
  '2026-11-01T06:30:00.000Z',
  '9999-12-31T23:59:59.999Z',
].map((text) => Date.parse(text));
const instants = fc.oneof(
  fc.constantFrom(...notableInstants),
  fc.integer({ min: firstInstant, max: lastInstant }),
  fc.integer({ min: Date.parse('1970-01-01T00:00:00Z'), max: Date.parse('2040-01-01T00:00:00Z') }),
);

const inText = (epochMs: number) => new Date(epochMs).toISOString();
const seed = chooseSeed('time zones');

describe.each(zones)('in a database whose zone is %s', (zone) => {
  const app = useTestApp({}, () =>
    createTestDatabase({ settings: { timezone: zone, datestyle: 'German, DMY' } }),
  );
  const exportDir = useTestFolder();
  const commands = createCommandLine(() => app);

  test('the dates of a subscription are the same instants in every response, the audit, the history and an export', async () => {
    const groupId = await app.createGroup();
    const target = await app.createGroup();
    let count = 0;
    const written: { username: string; startsAt: string; expiresAt: string | null }[] = [];

    const check = async (startsAt: string, expiresAt: string | null) => {
      const username = `user-${++count}`;
      const dates = { startsAt, expiresAt };
      const subscribed = await app.post('/subscribe', { username, groupId, ...dates });
      expect(subscribed.body.data?.subscribe).toMatchObject({ username, ...dates });

      const [stored] = await app.sql(
        `SELECT round(extract(epoch FROM starts_at) * 1000)::text AS starts_at,
           round(extract(epoch FROM expires_at) * 1000)::text AS expires_at FROM subscribers WHERE username = $1`,
        [username],
      );
      expect(stored).toStrictEqual({
        starts_at: String(Date.parse(startsAt)),
        expires_at: expiresAt === null ? null : String(Date.parse(expiresAt)),
      });
      const audited = await app.graphql('{ auditEvents(first: 1) { nodes { operation after } } }');
      expect(audited.body.data?.auditEvents.nodes).toMatchObject([{ operation: 'subscribe', after: dates }]);
      written.push({ username, ...dates });
    };

    await fc.assert(
      fc.asyncProperty(instants, instants, fc.boolean(), async (one, other, isEndless) => {
        const [start, end] = one < other ? [one, other] : [other, one];
        if (start !== end) await check(inText(start), isEndless ? null : inText(end));
      }),
      { seed, numRuns: 40, endOnFailure: true },
    );
    await check('1900-01-01T00:00:00.000Z', null);
    await check('0001-01-01T00:00:00.000Z', '9999-12-31T23:59:59.999Z');

    const file = join(exportDir, 'plans.ndjson');
    expect(await commands.run('groups', 'export', file, '--force')).toMatchObject({ code: 0 });
    const records = (await readFile(file, 'utf8'))
      .split('\n')
      .filter((line) => line.includes('"subscriber"'));
    const exported = records.map((line) => JSON.parse(line) as (typeof written)[number]);
    for (const { username, startsAt, expiresAt } of written) {
      expect(exported.find((subscriber) => subscriber.username === username)).toMatchObject({
        startsAt,
        expiresAt,
      });
    }

    const active = written.filter(
      ({ expiresAt }) => expiresAt === null || Date.parse(expiresAt) > Date.now(),
    );
    const deleted = await app.post('/deleteGroup', { id: groupId, moveSubscribersTo: target });
    expect(deleted.body.data?.deleteGroup).toMatchObject({ id: groupId });
    const moved = await app.graphql(
      `{ group(id: ${target}) { subscribers(first: 200) { totalCount nodes { username startsAt expiresAt } } } }`,
    );
    const byName = (a: { username: string }, b: { username: string }) => (a.username < b.username ? -1 : 1);
    expect(moved.body.data.group.subscribers.nodes.toSorted(byName)).toStrictEqual(active.toSorted(byName));
    const history = await app.sql<{ username: string; starts: string; ends: string }>(
      `SELECT username, round(extract(epoch FROM starts_at) * 1000)::text AS starts,
         round(extract(epoch FROM expires_at) * 1000)::text AS ends FROM subscriber_history WHERE group_id = $1`,
      [groupId],
    );
    const ended = written.filter((subscriber) => !active.includes(subscriber));
    expect(history.map(({ username }) => username).toSorted()).toStrictEqual(
      ended.map(({ username }) => username).toSorted(),
    );
    for (const { username, starts, ends } of history) {
      const one = written.find((subscriber) => subscriber.username === username)!;
      expect([inText(Number(starts)), inText(Number(ends))]).toStrictEqual([one.startsAt, one.expiresAt]);
    }
    const page = await app.post('/auditEvents', { first: 200 });
    expect([page.status, page.body.errors]).toStrictEqual([200, undefined]);
  });

  test('a subscription that ends in an hour blocks a delete; one that ended an hour ago does not', async () => {
    const inHours = (hours: number) => inText(Date.now() + hours * 3_600_000);
    for (const hours of [1, 5, 13]) {
      const groupId = await app.createGroup();
      const subscribed = await app.post('/subscribe', {
        username: 'ali',
        groupId,
        expiresAt: inHours(hours),
      });
      expect(subscribed.body.data.subscribe.status).toBe('RUNNING');
      expect((await app.post('/deleteGroup', { id: groupId })).body.errors[0].extensions).toStrictEqual({
        code: 'HAS_ACTIVE_SUBSCRIBERS',
        subscriberCount: 1,
      });
      const dates = { startsAt: inHours(-100), expiresAt: inHours(-hours) };
      const other = await app.createGroup();
      const ended = await app.post('/subscribe', { username: 'ali', groupId: other, ...dates });
      expect(ended.body.data.subscribe.status).toBe('ENDED');
      expect((await app.post('/deleteGroup', { id: other })).body.data.deleteGroup.id).toBe(other);
    }
  });

  test('dates that the server sets are the current time, and equal in a mutation, a query, the archive, the audit and a list', async () => {
    const startedAt = Date.now();
    const created = (
      await app.post('/createGroup', { group: { name: 'A', tagName: 'a', duration: 1, price: '1' } })
    ).body.data.createGroup;
    const { id, createdAt } = created;
    const isPresent = (text: string) => {
      expect(Date.parse(text)).toBeGreaterThanOrEqual(startedAt - 1);
      expect(Date.parse(text)).toBeLessThanOrEqual(Date.now() + 1);
    };
    isPresent(createdAt);
    expect((await app.post('/group', { id })).body.data.group).toMatchObject({
      createdAt,
      updatedAt: createdAt,
    });
    const listed = JSON.parse(
      (await commands.run('groups', 'list', '--json', '--first', '200')).stdout,
    ).groups;
    expect(listed.find((group: { id: number }) => group.id === id)).toMatchObject({
      createdAt,
      updatedAt: createdAt,
    });

    expect((await app.post('/deleteGroup', { id })).body.data.deleteGroup).toMatchObject({ createdAt });
    const archived = (
      await app.graphql(`{ deletedGroup(id: ${id}) { deletedAt purgeAt group { createdAt } } }`)
    ).body.data.deletedGroup;
    isPresent(archived.deletedAt);
    expect(Date.parse(archived.purgeAt) - Date.parse(archived.deletedAt)).toBe(30 * 24 * 3_600_000);
    expect(archived.group).toStrictEqual({ createdAt });

    const filter = { targetId: String(id), from: inText(startedAt - 1000), to: inText(Date.now() + 1000) };
    const audited = await app.graphql(
      `query ($filter: AuditFilter) { auditEvents(filter: $filter) { nodes { at before after } } }`,
      { filter },
    );
    const [deletion, creation] = audited.body.data.auditEvents.nodes;
    isPresent(deletion.at);
    expect(deletion.before).toMatchObject({ createdAt, updatedAt: createdAt });
    expect(creation.after).toMatchObject({ createdAt, updatedAt: createdAt });

    const restored = (await app.post('/restoreGroup', { id })).body.data.restoreGroup;
    expect(restored).toMatchObject({ createdAt, updatedAt: createdAt });
  });

  test('the expiry of an account is the instant that was entered, even in a daylight-saving gap', async () => {
    for (const expiry of ['2027-03-14T02:30:00Z', '2030-06-01T00:00:00+03:30']) {
      const username = `until-${expiry.replace(/\W/g, '')}`;
      const created = await commands.run(
        'accounts',
        'create',
        username,
        '--scope',
        '*',
        '--expires',
        expiry,
        '--json',
      );
      expect(created).toMatchObject({ code: 0 });
      const expiresAt = new Date(expiry).toISOString();
      expect(JSON.parse(created.stdout)).toMatchObject({ expiresAt });
      const accounts = JSON.parse((await commands.run('accounts', 'list', '--json')).stdout);
      expect(accounts.find((account: { username: string }) => account.username === username)).toMatchObject({
        expiresAt,
      });
      const [{ epoch } = {}] = await app.sql(
        'SELECT extract(epoch FROM expires_at)::bigint::text AS epoch FROM accounts WHERE username = $1',
        [username],
      );
      expect(Number(epoch) * 1000).toBe(Date.parse(expiry));
    }
  });

  test('an Idempotency-Key is valid for 24 hours', async () => {
    const group = { name: 'K', tagName: 'k', duration: 1, price: '1' };
    const create = (key: string) => app.post('/createGroup', { group }, { 'Idempotency-Key': key });
    const first = await create('key');
    await app.sql(`UPDATE idempotency_keys SET created_at = now() - interval '23 hours 59 minutes'`);
    const repeated = await create('key');
    expect(repeated.headers.get('idempotency-replayed')).toBe('true');
    expect(repeated.body).toStrictEqual(first.body);
    await app.sql(`UPDATE idempotency_keys SET created_at = now() - interval '24 hours 1 minute'`);
    expect((await create('key')).body.data.createGroup.id).not.toBe(first.body.data.createGroup.id);
  });

  test('the autodialer returns dates in its own time zone', async () => {
    const add = await app.post('/api/v4/autodialer/groups/add', { name: 'n', numbers: ['1111'] });
    const updated = await app.post('/api/v4/autodialer/groups/update', { _id: add.body.data._id, name: 'm' });
    const addedAt = Number(updated.body.data.date.$date.$numberLong);
    expect(Math.abs(addedAt - Date.now())).toBeLessThan(60_000);
    const searched = await app.post('/api/v4/autodialer/groups/search', {});
    const [{ date }] = searched.body.data.data;
    const time = new Intl.DateTimeFormat('en-GB', { timeZone: 'Asia/Tehran', timeStyle: 'medium' }).format(
      addedAt,
    );
    expect(date.split(' ')[1]).toBe(time);
  });
});

test("dates that earlier versions stored with another zone's offset are readable, in the audit and in the archive", async () => {
  const app = await openTestApp();
  try {
    const offsets = {
      '1900-01-01T03:25:44+03:25:44': '1900-01-01T00:00:00.000Z',
      '0001-12-31T19:03:58-04:56:02 BC': '0001-01-01T00:00:00.000Z',
      '10000-01-01T03:29:59.999+03:30': '9999-12-31T23:59:59.999Z',
      '2026-03-08T01:59:59.5-05:00': '2026-03-08T06:59:59.500Z',
      infinity: 'infinity',
    };
    for (const stored of Object.keys(offsets)) {
      await app.sql(
        `INSERT INTO audit_events (account, credential, address, request_id, operation, target_ids, outcome, after)
         VALUES ('admin', 'api-key', 'local', 'r', 'subscribe', '{1}', 'done', jsonb_build_object('starts_at', $1::text))`,
        [stored],
      );
    }
    const audited = await app.graphql('{ auditEvents { nodes { after } } }');
    const read = audited.body.data.auditEvents.nodes.map(
      ({ after }: { after: { startsAt: string } }) => after.startsAt,
    );
    expect(read.toReversed()).toStrictEqual(Object.values(offsets));

    const id = await app.createGroup();
    await app.post('/deleteGroup', { id });
    await app.sql(
      `UPDATE deleted_groups SET group_row = group_row || '{"created_at":"1900-01-01T03:25:44+03:25:44"}' WHERE id = $1`,
      [id],
    );
    const createdAt = '1900-01-01T00:00:00.000Z';
    const archived = await app.graphql(`{ deletedGroup(id: ${id}) { group { createdAt } } }`);
    expect(archived.body.data.deletedGroup.group).toStrictEqual({ createdAt });
    expect((await app.post('/restoreGroup', { id })).body.data.restoreGroup).toMatchObject({ createdAt });
  } finally {
    await app.close();
  }
});
