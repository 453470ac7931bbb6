import { expect, test } from '@jest/globals';
import type { Json } from '../support/test-app.ts';
import { verify } from '../support/webhook-receiver.ts';
import { useWebhooks } from '../support/webhooks.ts';

// The commands that manage webhooks and their deliveries.

const { app, receiver, run, runJson, create, deliveries, receives, isQuiet } = useWebhooks();

test('enable --from-now skips the events until then', async () => {
  const { id } = await create();
  await runJson('disable', String(id));
  await app.createGroup({ name: 'Skipped' });
  await runJson('enable', String(id), '--from-now');
  await app.createGroup({ name: 'Later' });
  await receives(1);
  await isQuiet();
  expect(receiver.received.map(({ event }) => event.data.group.name)).toStrictEqual(['Later']);
});

test('the list has the first KiB of a response', async () => {
  await create();
  receiver.reply = () => ({ status: 500, body: `\0${'é'.repeat(100_000)}` });
  await app.createGroup();
  await receives(1);
  await isQuiet();
  const [{ responseBody }] = await deliveries();
  expect(responseBody).toBe(`\uFFFD${'é'.repeat(511)}\uFFFD`);
});

test('redeliver sends deliveries again with the same ids: by their ids, or since a time', async () => {
  const { id } = await create();
  await app.createGroup({ name: 'One' });
  const between = new Date().toISOString();
  await app.createGroup({ name: 'Two' });
  await receives(2);
  await isQuiet();
  const [two, one] = await deliveries();
  expect(await runJson('redeliver', one.id)).toStrictEqual({ deliveries: 1 });
  await receives(3);
  await isQuiet();
  expect(await runJson('redeliver', '--since', between, '--webhook', String(id))).toStrictEqual({
    deliveries: 1,
  });
  await receives(4);
  await isQuiet();
  const ids = receiver.received.map(({ headers }) => headers['webhook-id']);
  // Events of different groups arrive in any order.
  expect(new Set(ids.slice(0, 2))).toStrictEqual(new Set([one.eventId, two.eventId]));
  expect(ids.slice(2)).toStrictEqual([one.eventId, two.eventId]);
  const { code, stderr } = await run('webhooks', 'redeliver', one.id, '999999');
  expect([code, stderr]).toStrictEqual([1, expect.stringContaining('There is no delivery 999999')]);
});

test('rotate: both secrets sign for 24 hours, with --now only the new one', async () => {
  const { id, secret } = await create();
  const rotated = await runJson('rotate', String(id));
  expect(rotated.secret).not.toBe(secret);
  expect(Date.parse(rotated.previousSecretExpiresAt) - Date.now()).toBeLessThanOrEqual(86_400_000);
  await app.createGroup();
  await receives(1);
  const [request] = receiver.received;
  expect(request!.headers['webhook-signature']!.split(' ')).toHaveLength(2);
  for (const valid of [secret, rotated.secret]) verify(valid, request!);

  const { secret: last } = await runJson('rotate', String(id), '--now');
  await app.createGroup();
  await receives(2);
  expect(receiver.received[1]!.headers['webhook-signature']!.split(' ')).toHaveLength(1);
  verify(last, receiver.received[1]!);
  expect(() => verify(rotated.secret, receiver.received[1]!)).toThrow('No matching signature');
});

test('test sends a signed event at once, and shows the response; it fails unless the response is 2xx', async () => {
  const { id, secret } = await create();
  receiver.reply = () => ({ status: 200, body: 'thanks' });
  expect(await runJson('test', String(id))).toMatchObject({ status: 200, body: 'thanks', error: null });
  expect(verify(secret, receiver.received[0]!)).toMatchObject({ type: 'webhook.test' });
  receiver.reply = () => ({ status: 404, body: 'which hook?' });
  const { code, stdout, stderr } = await run('webhooks', 'test', String(id));
  expect([code, stdout]).toStrictEqual([1, '']);
  expect(stderr).toContain(`Webhook ${id} did not accept the event: HTTP 404`);
  expect(stderr).toContain('which hook?');
  expect(await deliveries()).toStrictEqual([]);
});

test('changes are audited; no list, audit event or output of another command has a secret', async () => {
  const secrets: string[] = [];
  const { id, secret } = await create();
  secrets.push(secret);
  const texts = [
    await run('webhooks', 'list'),
    await run('webhooks', 'show', String(id)),
    await run('webhooks', 'list', '--json'),
    await run(
      'webhooks',
      'edit',
      String(id),
      '--type',
      'group.deleted',
      '--url',
      `${receiver.url}?token=t0k3n`,
      '--json',
    ),
  ];
  secrets.push((await runJson('rotate', String(id))).secret);
  texts.push(
    await run('webhooks', 'disable', String(id)),
    await run('webhooks', 'enable', String(id)),
    await run('webhooks', 'remove', String(id), '--yes'),
  );
  expect(texts.map(({ code }) => code)).toStrictEqual(texts.map(() => 0));
  const { body } = await app.post('/auditEvents', { filter: { targetId: String(id) }, first: 20 });
  const nodes = body.data.auditEvents.nodes.filter(({ operation }: Json) =>
    operation.startsWith('webhooks '),
  );
  expect(nodes.map(({ operation, outcome }: Json) => `${operation} ${outcome}`)).toStrictEqual(
    ['remove', 'enable', 'disable', 'rotate', 'edit', 'create'].map((name) => `webhooks ${name} done`),
  );
  const everything = JSON.stringify([texts, nodes]);
  for (const part of ['whsec_', ...secrets.map((text) => text.slice(6))])
    expect(everything).not.toContain(part);
  expect(JSON.stringify(nodes)).not.toContain('t0k3n');
  expect(nodes[4]).toMatchObject({
    before: { types: [] },
    after: { types: ['group.deleted'], url: `${new URL(receiver.url).origin}/…` },
  });
});

test('errors name the value and what to do', async () => {
  const fails = async (...args: string[]) => {
    const { code, stderr } = await run('webhooks', ...args);
    expect(code).toBe(1);
    return stderr;
  };
  expect(await fails('create', receiver.url, '--type', 'group.removed')).toMatch(
    /There is no event type "group.removed"; the types are group.created, /,
  );
  expect(await fails('create', 'panel')).toContain(
    'url must be a URL such as https://panel.example/webhooks',
  );
  expect(await fails('show', '99')).toContain('There is no webhook 99');
  expect(await fails('edit', '99')).toContain('Pass --url, --type or --description');
  expect(await fails('redeliver')).toContain('Pass either the ids of deliveries, or --since');
  expect(await fails('deliveries', '--webhook', 'x')).toContain('Webhook id must be a positive integer');
});
