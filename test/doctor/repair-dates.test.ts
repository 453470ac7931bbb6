import { beforeAll, expect, test } from '@jest/globals';
import { createCommandLine } from '../support/command-line.ts';
import { openTestApp, useTestApp } from '../support/test-app.ts';
import { createTestDatabase } from '../support/test-database.ts';

const zone = 'Asia/Tehran';
/**
 * The correct instants; one of them in the hour that daylight saving skipped in Tehran, which was stored an hour late.
 */
const meant = {
  created: '2026-01-05T10:00:00.000Z',
  updated: '2026-01-06T10:00:00.000Z',
  starts: '2020-02-01T00:00:00.000Z',
  ends: '2030-07-01T12:30:00.000Z',
};
/** Writes an instant as earlier versions did: as UTC without an offset, in a session of the zone. */
const asStored = (instant: string) => `('${instant.slice(0, -1)}'::timestamp AT TIME ZONE '${zone}')`;

const app = useTestApp({}, () => createTestDatabase({ settings: { timezone: zone } }));
const commands = createCommandLine(() => app);
const doctorLine = async () =>
  JSON.parse((await commands.run('doctor', '--json')).stdout).checks.find(
    ({ name }: { name: string }) => name === 'time zone',
  );

beforeAll(async () => {
  // A database of an earlier version, with rows that this version has added.
  await app.sql(
    `UPDATE _prisma_migrations SET finished_at = now() - interval '30 days' WHERE migration_name < '0005'`,
  );
  await app.sql(`UPDATE _prisma_migrations SET finished_at = now() WHERE migration_name >= '0005'`);
  const { created, updated, starts, ends } = meant;
  await app.sql(`INSERT INTO groups (name, tag_name, duration, price, created_at, updated_at)
    SELECT 'Old', 'old', 1, 1, ${asStored(created)}, ${asStored(updated)} FROM generate_series(1, 3)`);
  await app.sql(`INSERT INTO subscribers (group_id, username, starts_at, expires_at)
    VALUES (1, 'ali', ${asStored(starts)}, ${asStored(ends)}), (1, 'endless', ${asStored(starts)}, NULL), (3, 'moved', ${asStored(starts)}, NULL)`);
  await app.sql(`INSERT INTO subscriber_history (group_id, username, starts_at, expires_at, removed_at)
    VALUES (9, 'stranded', ${asStored(starts)}, ${asStored(ends)}, '2026-01-07T00:00:00Z')`);
  await app.sql(`INSERT INTO audit_events (at, account, credential, address, request_id, operation, target_ids, outcome)
    VALUES ('2026-01-07T00:00:00Z', 'admin', 'api-key', 'local', 'r', 'deleteGroup', '{9}', 'done')`);
  await app.sql(`INSERT INTO deleted_groups (id, group_row, deleted_at, deleted_by, purge_at)
    SELECT 9, group_row(groups) || '{"id":9}', '2026-01-07T00:00:00Z', 'admin', '2099-01-01Z' FROM groups WHERE id = 1`);
  await app.sql(`INSERT INTO accounts (username, api_key_hash, scopes, created_at, updated_at, expires_at)
    SELECT name, sha256(name::bytea), '{*}', ${asStored(created)}, ${asStored(updated)}, ${asStored(ends)}
    FROM unnest(ARRAY['old', 'edited', 'rotated', 'disabled', 'enabled']) AS name`);
  for (const [command, ...args] of [
    ['edit', 'edited', '--scope', 'groups:read'],
    ['rotate', 'rotated'],
    ['disable', 'disabled'],
    ['disable', 'enabled'],
    ['enable', 'enabled'],
  ])
    expect(await commands.run('accounts', command!, ...args)).toMatchObject({ code: 0 });
  for (const args of [
    ['subscribers', 'add', 'by-command', '1', '--starts-at', starts, '--expires-at', ends],
    ['groups', 'create', '--name', 'By command', '--tag-name', 'c', '--duration', '1', '--price', '1'],
    ['groups', 'edit', '2', '--duration', '3'],
    ['groups', 'delete', '3', '--move-subscribers-to', '2', '--yes'],
  ])
    expect(await commands.run(...args)).toMatchObject({ code: 0 });

  await app.createGroup();
  await app.post('/subscribe', { username: 'new', groupId: 1, startsAt: starts, expiresAt: ends });
});

test('doctor reports dates of an earlier version, and the command that repairs them', async () => {
  expect(await doctorLine()).toStrictEqual({
    name: 'time zone',
    state: 'warning',
    message: expect.stringContaining(`group-api repair-dates --zone ${zone} --dry-run`),
  });
});

test('repair-dates rejects an unknown zone; without --yes and a terminal it changes nothing', async () => {
  expect(await commands.run('repair-dates', '--zone', 'Asia/Teheran1', '--yes')).toMatchObject({ code: 1 });
  expect(await commands.run('repair-dates', '--zone', zone)).toMatchObject({ code: 1 });
  expect(await commands.run('repair-dates')).toMatchObject({ code: 2 });
});

test('repair-dates corrects the dates of earlier versions once, and no others', async () => {
  const readDates = async () => ({
    ali: await app.sql(`SELECT starts_at, expires_at FROM subscribers WHERE username = 'ali'`),
    endless: await app.sql(`SELECT starts_at, expires_at FROM subscribers WHERE username = 'endless'`),
    new: await app.sql(
      `SELECT username, starts_at, expires_at FROM subscribers WHERE username IN ('new', 'by-command') ORDER BY 1`,
    ),
    history: await app.sql('SELECT starts_at, expires_at, removed_at FROM subscriber_history'),
    groups: await app.sql('SELECT id, created_at, updated_at FROM groups ORDER BY id'),
    account: await app.sql(`SELECT created_at, updated_at, expires_at FROM accounts WHERE username = 'old'`),
    changed: await app.sql(
      `SELECT username, created_at, updated_at, expires_at FROM accounts WHERE username ~ 'ed$' ORDER BY 1`,
    ),
  });
  const before = await readDates();
  const dryRun = await commands.run('repair-dates', '--zone', zone, '--dry-run', '--json');
  expect(await readDates()).toStrictEqual(before);

  const repair = await commands.run('repair-dates', '--zone', zone, '--yes', '--json');
  expect(repair).toMatchObject({ code: 0, stderr: '' });
  expect(JSON.parse(repair.stdout)).toStrictEqual({
    rows: { subscribers: 3, subscriberHistory: 1, groups: 2, deletedGroups: 2, accounts: expect.any(Number) },
    deletedWithSubscribers: [{ groupId: 9, activeSubscribers: 1 }],
    zone,
    isDryRun: false,
  });
  expect(JSON.parse(dryRun.stdout)).toStrictEqual({ ...JSON.parse(repair.stdout), isDryRun: true });

  const [created, updated, starts, ends] = Object.values(meant).map((text) => new Date(text));
  const after = await readDates();
  expect(after).toMatchObject({
    ali: [{ starts_at: starts, expires_at: ends }],
    endless: [{ starts_at: starts, expires_at: null }],
    new: before.new,
    history: [{ starts_at: starts, expires_at: ends, removed_at: new Date('2026-01-07T00:00:00Z') }],
    account: [{ created_at: created, updated_at: updated, expires_at: ends }],
  });
  // The dates of these changes by this version are correct; those of the creation and the expiry were not.
  expect(after.changed).toStrictEqual(
    before.changed.map((account) => ({ ...account, created_at: created, expires_at: ends })),
  );
  expect(after.changed.map(({ username }) => username)).toStrictEqual([
    'disabled',
    'edited',
    'enabled',
    'rotated',
  ]);
  const groups = after.groups as { id: number; created_at: Date; updated_at: Date }[];
  const old = before.groups as typeof groups;
  expect(groups[0]).toStrictEqual({ id: 1, created_at: created, updated_at: updated });
  // The date of the edit by this version is correct; the date of the creation was not.
  expect(groups[1]).toStrictEqual({ id: 2, created_at: created, updated_at: old[1]!.updated_at });
  // Created by this version: with the API, and with a command.
  expect(groups.slice(2)).toStrictEqual(old.slice(2));
  expect(groups.slice(2)).toHaveLength(2);
  // The delete by this version can still be undone, with the subscriber that it moved.
  const deleted = await app.graphql('{ deletedGroup(id: 3) { subscribersToReturn } }');
  expect(deleted.body.data.deletedGroup).toStrictEqual({ subscribersToReturn: 1 });
  const archived = await app.graphql('{ deletedGroup(id: 9) { deletedAt group { createdAt updatedAt } } }');
  expect(archived.body.data.deletedGroup).toStrictEqual({
    deletedAt: '2026-01-07T00:00:00.000Z',
    group: { createdAt: meant.created, updatedAt: meant.updated },
  });

  const again = await commands.run('repair-dates', '--zone', zone, '--yes');
  expect([again.code, again.stderr]).toStrictEqual([1, expect.stringContaining('a second repair')]);
  expect(await readDates()).toStrictEqual(after);
  expect(await doctorLine()).toMatchObject({ state: 'ok' });
});

test('a database that this version has created has no dates to repair', async () => {
  const fresh = await openTestApp({}, await createTestDatabase({ settings: { timezone: zone } }));
  try {
    const { run } = createCommandLine(() => fresh);
    const repair = await run('repair-dates', '--zone', zone, '--yes');
    expect([repair.code, repair.stderr]).toStrictEqual([1, expect.stringContaining('Nothing to repair')]);
    expect(JSON.parse((await run('doctor', '--json')).stdout).isWrong).toBe(false);
  } finally {
    await fresh.close();
  }
});
