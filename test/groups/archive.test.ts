import { describe, expect, test } from '@jest/globals';
import { createProbes } from '../support/probes.ts';
import { useTestApp } from '../support/test-app.ts';

const app = useTestApp();

const { codeOf, groupRow, archiveRow, nextRequestId, auditOf } = createProbes(() => app);

describe('restoreGroup', () => {
  test('restoreGroup restores the same id and row, and removes it from the archive', async () => {
    const id = await app.createGroup({ name: 'Gold', price: '123456789012.3457', ip: '2001:db8::/32' });
    await app.post('/editGroup', { id, group: { hidden: true } });
    const before = await groupRow(id);
    await app.post('/deleteGroup', { id });
    const requestId = nextRequestId();

    const answer = await app.post('/restoreGroup', { id }, { 'X-Request-Id': requestId });

    expect(answer.body.data.restoreGroup).toMatchObject({
      id,
      name: 'Gold',
      price: '123456789012.3457',
      version: 2,
      hidden: true,
    });
    expect(await groupRow(id)).toStrictEqual(before);
    expect(await archiveRow(id)).toStrictEqual([]);
    expect(await auditOf(requestId)).toMatchObject([
      { operation: 'restoreGroup', outcome: 'done', target_ids: [String(id)], after: { id } },
    ]);
    expect(await app.createGroup()).toBeGreaterThan(id);
  });

  test('restoreGroup rejects an existing, an unknown and a purged group', async () => {
    const id = await app.createGroup();
    expect(codeOf(await app.post('/restoreGroup', { id }))).toBe('ALREADY_EXISTS');
    expect(codeOf(await app.post('/restoreGroup', { id: 2_000_000_000 }))).toBe('NOT_FOUND');
    await app.post('/deleteGroup', { id });
    const purged = await app.post('/purgeDeletedGroup', { id });
    expect(purged.body.data.purgeDeletedGroup).toMatchObject({ id, deletedBy: 'admin', subscribersMoved: 0 });
    expect(codeOf(await app.post('/restoreGroup', { id }))).toBe('NOT_FOUND');
    expect(codeOf(await app.post('/purgeDeletedGroup', { id }))).toBe('NOT_FOUND');
  });

  test('restoreGroup restores a group without its service group if that has been deleted', async () => {
    const serviceGroupId = (await app.post('/createServiceGroup', { serviceGroup: { name: 's' } })).body.data
      .createServiceGroup.id;
    const id = await app.createGroup({ serviceGroupId });
    await app.post('/deleteGroup', { id });
    await app.post('/deleteServiceGroup', { id: serviceGroupId });
    const answer = await app.graphql(
      'mutation ($id: Int!) { restoreGroup(id: $id) { id serviceGroup { id } } }',
      { id },
    );
    expect(answer.body.data.restoreGroup).toStrictEqual({ id, serviceGroup: null });
  });

  test('of ten concurrent restores of one group exactly one succeeds', async () => {
    const id = await app.createGroup();
    await app.post('/deleteGroup', { id });
    const answers = await Promise.all(Array.from({ length: 10 }, () => app.post('/restoreGroup', { id })));
    expect(answers.map(codeOf).filter((code) => code === undefined)).toHaveLength(1);
    expect(answers.map(codeOf).filter((code) => code === 'ALREADY_EXISTS')).toHaveLength(9);
  });
});

test('expired groups cannot be restored or listed, even before the purge', async () => {
  const id = await app.createGroup();
  await app.post('/deleteGroup', { id });
  await app.sql('UPDATE deleted_groups SET purge_at = now() WHERE id = $1', [id]);
  expect(codeOf(await app.post('/deletedGroup', { id }))).toBe('NOT_FOUND');
  expect(codeOf(await app.post('/restoreGroup', { id }))).toBe('NOT_FOUND');
  await app.sql(`UPDATE deleted_groups SET purge_at = now() + interval '1 day' WHERE id = $1`, [id]);
});

test('deletedGroups returns the pages of the archive, latest first', async () => {
  const ids: number[] = [];
  for (let i = 0; i < 5; i++) {
    const id = await app.createGroup();
    await app.post('/deleteGroup', { id });
    ids.unshift(id);
  }
  const query =
    'query ($after: String) { deletedGroups(first: 2, after: $after) { nodes { id group { name } } pageInfo { endCursor hasNextPage } totalCount } }';
  const first = (await app.graphql(query)).body.data.deletedGroups;
  const second = (await app.graphql(query, { after: first.pageInfo.endCursor })).body.data.deletedGroups;
  expect([...first.nodes, ...second.nodes].map(({ id }) => id)).toStrictEqual(ids.slice(0, 4));
  expect(first.totalCount).toBe((await app.sql('SELECT FROM deleted_groups')).length);
  expect((await app.post('/deletedGroup', { id: ids[0] })).body.data.deletedGroup).toMatchObject({
    id: ids[0],
    deletedBy: 'admin',
  });
  expect(codeOf(await app.post('/deletedGroup', { id: 2_000_000_000 }))).toBe('NOT_FOUND');
});
