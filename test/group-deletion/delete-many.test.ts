import { describe, expect, test } from '@jest/globals';
import { createProbes } from '../support/probes.ts';
import { useTestApp, type Json } from '../support/test-app.ts';

const app = useTestApp();

const { subscribe, nextRequestId, auditOf, readState } = createProbes(() => app);

describe('deleteGroups', () => {
  test('deleteGroups deletes all groups in the order of the ids, with one audit event', async () => {
    const ids = [
      await app.createGroup({ name: 'x' }),
      await app.createGroup({ name: 'y' }),
      await app.createGroup({ name: 'z' }),
    ].toReversed();
    const requestId = nextRequestId();
    const answer = await app.post(
      '/deleteGroups',
      { ids, reason: 'cleaning' },
      { 'X-Request-Id': requestId },
    );
    expect(answer.status).toBe(200);
    expect(answer.body.data.deleteGroups.map((group: Json) => [group.id, group.name])).toStrictEqual(
      ids.map((id, i) => [id, 'zyx'[i]]),
    );
    expect(await app.sql('SELECT id FROM groups WHERE id = ANY ($1)', [ids])).toStrictEqual([]);
    expect(await app.sql('SELECT reason FROM deleted_groups WHERE id = ANY ($1)', [ids])).toStrictEqual(
      ids.map(() => ({ reason: 'cleaning' })),
    );
    expect(await auditOf(requestId)).toMatchObject([
      { outcome: 'done', target_ids: ids.map(String), before: ids.map((id) => ({ id })) },
    ]);
  });

  test('deleteGroups deletes none if one is blocked, and names every blocker', async () => {
    const [fine, guarded] = [await app.createGroup(), await app.createGroup({ protected: true })];
    const busy = await app.createGroup();
    await subscribe(busy, 'a');
    const before = await readState();
    const answer = await app.post('/deleteGroups', { ids: [fine, guarded, busy, 2_000_000_000] });
    expect(answer.status).toBe(409);
    expect(answer.body.errors[0].extensions).toStrictEqual({
      code: 'GROUP_PROTECTED',
      blockers: [
        { id: guarded, code: 'GROUP_PROTECTED', message: 'Cannot delete a protected group' },
        {
          id: busy,
          code: 'HAS_ACTIVE_SUBSCRIBERS',
          message: 'Cannot delete group with active subscribers',
          subscriberCount: 1,
        },
        { id: 2_000_000_000, code: 'NOT_FOUND', message: 'Group not found' },
      ],
    });
    expect(await readState()).toStrictEqual(before);
  });

  test('a dry run of deleteGroups deletes none', async () => {
    const ids = [await app.createGroup(), await app.createGroup()];
    const before = await readState();
    expect((await app.post('/deleteGroups', { ids, dryRun: true })).body.data.deleteGroups).toHaveLength(2);
    expect(await readState()).toStrictEqual(before);
  });

  test('deleteGroups accepts 1,000 ids', async () => {
    const rows = await app.sql<{ id: number }>(
      `INSERT INTO groups (name, tag_name, duration, price) SELECT 'g', 't', 1, 1 FROM generate_series(1, 1000) RETURNING id`,
    );
    const ids = rows.map(({ id }) => id);
    expect((await app.post('/deleteGroups', { ids })).body.data.deleteGroups).toHaveLength(1000);
  });

  test.each([[[]], [[1, 1]], [[0]], [[1, null]], [Array.from({ length: 1001 }, (_, i) => i + 1)], [null]])(
    'deleteGroups rejects invalid ids (case %#)',
    async (ids) => {
      const answer = await app.post('/deleteGroups', { ids });
      expect(answer.body.errors[0].extensions).toMatchObject({
        code: 'BAD_USER_INPUT',
        argument: expect.stringMatching(/^ids/),
      });
    },
  );
});
