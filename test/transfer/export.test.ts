import { readFile, readdir, readlink, stat, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { useTransferSource } from '../support/transfer-source.ts';
import { readTables } from '../support/transfer.ts';

const { app, ids, folder, file, here, exportAgain, readLines } = useTransferSource();

describe('export', () => {
  test("an export has all fields under the API's names, ordered by key, between a header and the counts", async () => {
    await exportAgain();
    const lines = (await readLines()).map((line) => JSON.parse(line));
    const { full, plain, deleted, purged, serviceGroupId } = ids;
    expect(
      lines.map(({ kind, id, groupId, username, group }) => [kind, id ?? groupId ?? group?.id, username]),
    ).toEqual([
      ['header', undefined, undefined],
      ['serviceGroup', serviceGroupId, undefined],
      ['group', full, undefined],
      ['group', plain, undefined],
      ['subscriber', full, 'Zoë'],
      ['subscriber', full, 'علی'],
      ['subscriber', plain, 'ended'],
      ['deletedGroup', deleted, undefined],
      ['end', undefined, undefined],
    ]);
    expect(lines[0]).toStrictEqual({
      kind: 'header',
      format: 'group-api export',
      version: 1,
      exportedAt: expect.stringMatching(/^\d{4}-.*Z$/),
      lastIds: { serviceGroup: serviceGroupId, group: purged },
    });
    expect(lines[1]).toStrictEqual({
      kind: 'serviceGroup',
      id: serviceGroupId,
      name: 'Family',
      description: 'd',
      language: 'فارسی',
      discount: 12.345,
    });
    const fields = `name description tagName duration price usernamePostfix usernamePostfixId dailyBandwidth multiLoginCount downloadUpload
      ip hidden protected version createdAt updatedAt`;
    const { body } = await app.graphql(`{ group(id: ${full}) { id ${fields} } }`);
    expect(lines[2]).toStrictEqual({ kind: 'group', ...body.data.group, serviceGroupId });
    expect(lines[6]).toStrictEqual({
      kind: 'subscriber',
      groupId: plain,
      username: 'ended',
      startsAt: '0001-01-01T00:00:00.000Z',
      expiresAt: '2020-01-01T00:00:00.000Z',
    });
    const archived = await app.graphql(
      `{ deletedGroup(id: ${deleted}) { group { id ${fields} } deletedAt deletedBy reason purgeAt subscribersMoved } }`,
    );
    const { group, ...rest } = archived.body.data.deletedGroup;
    expect(lines[7]).toStrictEqual({ kind: 'deletedGroup', group: { ...group, serviceGroupId }, ...rest });
    expect(lines[8]).toStrictEqual({
      kind: 'end',
      serviceGroups: 1,
      groups: 2,
      subscribers: 3,
      deletedGroups: 1,
      formerSubscribers: 0,
    });
  });

  test('an export of some ids has only these groups with their subscribers, service groups and archive', async () => {
    await exportAgain('--id', String(ids.plain), '--id', String(ids.plain));
    expect((await readLines()).map((line) => JSON.parse(line).kind)).toStrictEqual([
      'header',
      'group',
      'subscriber',
      'end',
    ]);
    await exportAgain('--id', String(ids.deleted));
    expect((await readLines()).map((line) => JSON.parse(line).kind)).toStrictEqual([
      'header',
      'serviceGroup',
      'deletedGroup',
      'end',
    ]);
    const { code, stdout, stderr } = await here.run('groups', 'export', '--id', `${ids.plain},2000000000`);
    expect([code, stdout, stderr]).toStrictEqual([
      1,
      '',
      'group-api: 1 of the ids belong to no group, live or deleted: 2000000000 (NOT_FOUND)\n',
    ]);
    // Not all groups.
    expect(await here.run('groups', 'export', '--id', '')).toStrictEqual({
      code: 1,
      stdout: '',
      stderr: 'group-api: --id requires at least one group id\n',
    });
  });

  test('an export writes a complete file that only its owner can read; an existing file is kept without --force', async () => {
    const path = join(folder, 'own.ndjson');
    const answer = await here.run('groups', 'export', path, '--json');
    expect(JSON.parse(answer.stdout)).toStrictEqual({
      file: path,
      serviceGroups: 1,
      groups: 2,
      subscribers: 3,
      deletedGroups: 1,
      formerSubscribers: 0,
    });
    expect((await stat(path)).mode & 0o777).toBe(0o600);

    const before = await readFile(path, 'utf8');
    await app.createGroup();
    expect(await here.run('groups', 'export', path)).toStrictEqual({
      code: 1,
      stdout: '',
      stderr: `group-api: ${path} already exists: choose another name, or pass --force\n`,
    });
    await here.run('groups', 'export', path, '--force', '--id', '2000000000');
    expect(await readFile(path, 'utf8')).toBe(before);
    await here.run('groups', 'export', path, '--force');
    expect((await readLines(path)).length).toBe(before.trimEnd().split('\n').length + 1);

    expect((await here.run('groups', 'export', folder)).stderr).toContain('is not a regular file');
    expect((await here.run('groups', 'export', join(folder, 'no/where'))).stderr).toContain('Cannot write ');
    expect(await readdir(folder)).toEqual(
      expect.not.arrayContaining([expect.stringContaining('unfinished')]),
    );
  });

  test('an export to a symbolic link writes the target and keeps the link', async () => {
    const link = join(folder, 'link.ndjson');
    await symlink(file, link);
    const answer = await here.run('groups', 'export', link, '--force');
    expect(answer.code).toBe(0);
    expect(await readlink(link)).toBe(file);
    expect(JSON.parse((await readLines(file)).at(-1)!)).toMatchObject({ kind: 'end', groups: 2 });
  });

  test('an export rejects values that its format cannot represent', async () => {
    await app.sql(`UPDATE deleted_groups SET purge_at = 'infinity'`);
    const { code, stderr } = await here.run('groups', 'export', join(folder, 'infinite.ndjson'));
    expect([code, stderr]).toStrictEqual([
      1,
      expect.stringContaining('purgeAt is a date that cannot be exported: change it, then export again'),
    ]);
    expect(await readdir(folder)).not.toContain('infinite.ndjson');
  });

  test('an export changes no group and adds no audit event', async () => {
    const before = [await readTables(app), await app.sql('SELECT * FROM audit_events ORDER BY id')];
    expect((await here.run('groups', 'export', '-')).code).toBe(0);
    expect([await readTables(app), await app.sql('SELECT * FROM audit_events ORDER BY id')]).toStrictEqual(
      before,
    );
  });
});
