import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { createCommandLine } from '../support/command-line.ts';
import { createProbes } from '../support/probes.ts';
import { openTestApp, useTestApp, type TestApp } from '../support/test-app.ts';
import { useTestFolder } from '../support/test-folder.ts';

const app = useTestApp();
const folder = useTestFolder();
const { archiveRow, auditOf, groupRow, nextRequestId } = createProbes(() => app);
const { run } = createCommandLine(() => app);

describe('the reason of a delete', () => {
  const reason = ' sold as 8 now\r\n\r\n\t- asked by Ali \n';
  const stored = 'sold as 8 now\n\n\t- asked by Ali';

  test('may have line breaks and tabs, in the archive and in the audit', async () => {
    const id = await app.createGroup();
    const requestId = nextRequestId();
    expect((await app.post('/deleteGroup', { id, reason }, { 'X-Request-Id': requestId })).status).toBe(200);
    expect(await archiveRow(id)).toMatchObject([{ reason: stored }]);
    expect(await auditOf(requestId)).toMatchObject([{ outcome: 'done', reason: stored }]);
    const { body } = await app.graphql(`{ deletedGroup(id: ${id}) { reason } }`);
    expect(body.data.deletedGroup).toStrictEqual({ reason: stored });
  });

  test('may have line breaks for several groups too', async () => {
    const ids = [await app.createGroup(), await app.createGroup()];
    const query =
      'mutation ($ids: [Int!]!, $reason: String) { deleteGroups(ids: $ids, reason: $reason) { id } }';
    await app.graphql(query, { ids, reason });
    for (const id of ids) expect(await archiveRow(id)).toMatchObject([{ reason: stored }]);
  });

  test('is normalized in the audit of a rejected delete', async () => {
    const requestId = nextRequestId();
    await app.post('/deleteGroup', { id: 2_000_000_000, reason }, { 'X-Request-Id': requestId });
    expect(await auditOf(requestId)).toMatchObject([
      { outcome: 'refused', error_code: 'NOT_FOUND', reason: stored },
    ]);
  });

  test('with another control character is rejected; the audit has a space for it', async () => {
    const id = await app.createGroup();
    const requestId = nextRequestId();
    const answer = await app.post(
      '/deleteGroup',
      { id, reason: 'a\u0000b\r\nc' },
      { 'X-Request-Id': requestId },
    );
    expect(answer.body.errors[0].message).toBe('reason must not contain control characters');
    expect(await groupRow(id)).toHaveLength(1);
    expect(await auditOf(requestId)).toMatchObject([{ outcome: 'refused', reason: 'a b\nc' }]);
  });

  test('follows the same rules on the command line', async () => {
    const id = await app.createGroup();
    const { code, stderr } = await run('groups', 'delete', String(id), '--yes', '--reason', reason);
    expect([code, stderr]).toStrictEqual([0, '']);
    expect(await archiveRow(id)).toMatchObject([{ reason: stored }]);
    expect(
      await app.sql(
        `SELECT reason FROM audit_events WHERE operation = 'groups delete' AND $1 = ANY (target_ids)`,
        [String(id)],
      ),
    ).toStrictEqual([{ reason: stored }]);
  });
});

test('descriptions and reasons of several lines survive export and import', async () => {
  const description = 'first line\n\n\tsecond\u2028line';
  await app.post('/createServiceGroup', { serviceGroup: { name: 'lines', description } });
  const live = await app.createGroup({ name: 'live', description });
  const gone = await app.createGroup({ name: 'gone', description });
  await app.post('/deleteGroup', { id: gone, reason: 'why\n\tso' });
  const readRows = () =>
    app.sql(`SELECT 'service group' AS what, id, to_jsonb(service_groups) AS row FROM service_groups
      UNION ALL SELECT 'group', id, group_row(groups) FROM groups
      UNION ALL SELECT 'archive', id, to_jsonb(deleted_groups) FROM deleted_groups ORDER BY 1, 2`);
  const before = await readRows();

  const file = join(folder, 'groups.ndjson');
  expect(await run('groups', 'export', file)).toMatchObject({ code: 0 });
  expect(await readFile(file, 'utf8')).toContain(String.raw`"reason":"why\n\tso"`);
  await app.sql('TRUNCATE groups, service_groups, subscribers, deleted_groups');
  expect(await run('groups', 'import', file)).toMatchObject({
    code: 0,
    stderr: expect.not.stringMatching(/rror/),
  });
  expect(await readRows()).toStrictEqual(before);
  expect(await groupRow(live)).toMatchObject([{ description }]);
  expect(await archiveRow(gone)).toMatchObject([{ reason: 'why\n\tso', group_row: { description } }]);
});

test('invisible names that an earlier version has accepted can be exported, imported and removed', async () => {
  const [from, to] = [await openTestApp(), await openTestApp()];
  const commandsOf = (server: TestApp) => createCommandLine(() => server).run;
  try {
    const name = '\u3164';
    await from.sql(`INSERT INTO service_groups (name) VALUES ($1)`, [name]);
    await from.sql(
      `INSERT INTO groups (name, tag_name, duration, price, service_group_id) VALUES ($1, $1, 1, 1, 1)`,
      [name],
    );
    await from.sql('INSERT INTO subscribers (group_id, username) VALUES (1, $1)', [name]);
    const file = join(folder, 'invisible.ndjson');
    expect(await commandsOf(from)('groups', 'export', file)).toMatchObject({ code: 0 });
    expect(await commandsOf(to)('groups', 'import', file)).toMatchObject({ code: 0, stderr: '' });
    expect(await to.sql('SELECT name FROM groups UNION ALL SELECT name FROM service_groups')).toStrictEqual([
      { name },
      { name },
    ]);
    const removed = await to.post('/removeUserSubscription', { username: name });
    expect(removed.body.data.removeUserSubscription).toMatchObject({ username: name, groupId: 1 });
  } finally {
    await from.close();
    await to.close();
  }
});
