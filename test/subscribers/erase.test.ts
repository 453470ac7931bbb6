import { expect, test } from '@jest/globals';
import { createCommandLine } from '../support/command-line.ts';
import { useTestApp, type Json } from '../support/test-app.ts';
import { waitUntil } from '../support/wait-until.ts';

const app = useTestApp();
const { run } = createCommandLine(() => app);

/** Makes deliveries of all events. No server sends them: the address is not public. */
const addWebhook = async () => {
  await app.sql(
    `INSERT INTO webhook_endpoints (url, secret, cursor)
     VALUES ('https://127.0.0.1/', 'whsec_', '0-0')`,
  );
};

/** All rows of all tables that contain a text, by their table. */
const findText = async (text: string) => {
  const tables = await app.sql<{ name: string }>(
    `SELECT relname AS name FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition`,
  );
  const found: string[] = [];
  for (const { name } of tables)
    found.push(
      ...(await app.sql(`SELECT FROM ${name} t WHERE strpos(t::text, $1) > 0`, [text])).map(() => name),
    );
  return found.toSorted();
};
/** Leaves traces of a username in every table that can have them. */
const leaveTraces = async (username: string) => {
  const [first, second, third] = [await app.createGroup(), await app.createGroup(), await app.createGroup()];
  const key = { 'Idempotency-Key': `key of ${first}` };
  await app.post('/subscribe', { username, groupId: first }, key);
  await app.post('/deleteGroup', { id: first, moveSubscribersTo: second, reason: `for ${username}, again` });
  await app.post('/removeUserSubscription', { username, groupId: second });
  await app.post('/subscribe', { username, groupId: third });
  await app.sql(
    `UPDATE subscribers SET starts_at = now() - interval '2 h', expires_at = now() - interval '1 h'
    WHERE group_id = $1`,
    [third],
  );
  await app.post('/retireGroup', { id: third, at: '2100-01-01T00:00:00Z', reason: `not for ${username}.` });
  return { first, second, third, key };
};

test('an erased username is in no table; its rows have one pseudonym, and the audit log has who erased it and what', async () => {
  const username = 'ali."q\\u" علی';
  await addWebhook();
  const { first, key } = await leaveTraces(username);
  await waitUntil(
    async () =>
      (await app.sql(`SELECT FROM webhook_deliveries WHERE event_type ~ '^subscriber|deleted$|retired$'`))
        .length >= 5,
  );
  await app.post('/subscribe', { username: 'ali', groupId: first });
  await app.createGroup({ usernamePostfix: '@postfix' });
  await app.sql(
    `INSERT INTO radius_deliveries (event_id, event_type, event_at, username, session_id, unique_id, nas_address, must_disconnect)
     SELECT '1-0-0', 'subscriber.removed', now(), name, '', md5(name), '10.0.0.1', true
     FROM unnest(ARRAY[$1, $1 || '@postfix', 'ali']) AS name`,
    [username],
  );
  const [before] = await app.sql('SELECT count(*)::int FROM audit_events');

  const { stdout, stderr, code } = await run('subscribers', 'erase', username, '--yes', '--json');
  expect([stderr, code]).toStrictEqual(['', 0]);
  const erasure = JSON.parse(stdout);
  const { pseudonym } = erasure;
  expect(erasure).toStrictEqual({
    pseudonym: expect.stringMatching(/^erased-[0-9a-f]{24}$/),
    endedSubscriptions: 1,
    subscriberHistory: 1,
    movedSubscribers: 1,
    deletedGroups: 1,
    retiredGroups: 1,
    storedResponses: 1,
    webhookDeliveries: 5,
    radiusDeliveries: 2,
    auditEvents: 5,
    isDryRun: false,
  });
  for (const text of [username, JSON.stringify(username).slice(1, -1)])
    expect(await findText(text)).toStrictEqual([]);
  expect([...new Set(await findText(pseudonym))]).toStrictEqual([
    'audit_events',
    'deleted_groups',
    'groups',
    'idempotency_keys',
    'moved_subscribers',
    'radius_deliveries',
    'subscriber_history',
    'subscribers',
    'webhook_deliveries',
    'webhook_endpoints',
  ]);
  const { body } = await app.post('/auditEvents', { filter: { operation: 'subscribers erase' } });
  expect(body.data.auditEvents.nodes).toMatchObject([
    {
      account: expect.stringMatching(/^command-line:/),
      credential: 'command-line',
      outcome: 'done',
      targetIds: [pseudonym],
      after: { pseudonym, subscriberHistory: 1, auditEvents: 5 },
    },
  ]);
  const [after] = await app.sql('SELECT count(*)::int FROM audit_events');
  expect(Number(after!['count'])).toBe(Number(before!['count']) + 1);
  const [deleted] = await app.sql('SELECT reason FROM deleted_groups WHERE id = $1', [first]);
  expect(deleted!['reason']).toBe(`for ${pseudonym}, again`);
  // The stored response of a repeated call.
  const repeated = await app.post('/subscribe', { username, groupId: first }, key);
  expect(repeated.body.data.subscribe.username).toBe(pseudonym);
  await app.sql('DELETE FROM webhook_endpoints');
});

test('an erasure leaves other names alone: longer ones, accounts, and words that contain it', async () => {
  const groupId = await app.createGroup({ name: 'sara' });
  await app.post('/subscribe', { username: 'sara2', groupId });
  await app.post('/editGroup', { id: groupId, group: { name: 'sara' } });
  await app.sql(`INSERT INTO accounts (username, scopes) VALUES ('sara', '{}')`);
  const state = async () => [await findText('sara'), await findText('"username": "sara2"')];
  const before = await state();
  const { stdout } = await run('subscribers', 'erase', 'sara', '--yes', '--json');
  expect(JSON.parse(stdout)).toMatchObject({ endedSubscriptions: 0, subscriberHistory: 0, auditEvents: 0 });
  expect(await state()).toStrictEqual(before);
});

test('a dry run counts and changes nothing', async () => {
  await leaveTraces('dry');
  const before = await findText('"username": "dry"');
  const { stdout } = await run('subscribers', 'erase', 'dry', '--dry-run', '--json');
  expect(JSON.parse(stdout)).toMatchObject({ subscriberHistory: 1, auditEvents: 5, isDryRun: true });
  expect(await findText('"username": "dry"')).toStrictEqual(before);
});

test('a username with active subscriptions is not erased; the audit event of the rejection does not have it', async () => {
  const groupId = await app.createGroup();
  await app.post('/subscribe', { username: 'present', groupId });
  const before = await findText('present');
  const { stderr, code } = await run('subscribers', 'erase', 'present', '--yes');
  expect([stderr, code]).toStrictEqual([
    expect.stringContaining(
      `Cannot erase a username with active subscriptions, which are to group ${groupId}. End each with group-api subscribers remove --group`,
    ),
    1,
  ]);
  expect(await findText('present')).toStrictEqual(before);
  const { body } = await app.post('/auditEvents', { filter: { operation: 'subscribers erase' }, first: 1 });
  expect(
    body.data.auditEvents.nodes.map(({ outcome, targetIds }: Json) => [outcome, targetIds]),
  ).toStrictEqual([['refused', []]]);
});

test('after an erasure the audit log is append-only as before', async () => {
  await run('subscribers', 'erase', 'no-one', '--yes');
  await expect(app.sql(`UPDATE audit_events SET reason = 'x'`)).rejects.toThrow(
    'audit_events is append-only',
  );
  await expect(
    app.sql(`SET group_api.erasure = 'on'; DELETE FROM audit_events; SET group_api.erasure = 'off'`),
  ).rejects.toThrow('audit_events is append-only');
});
