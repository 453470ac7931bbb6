import { describe, expect, test } from '@jest/globals';
import { createCommandLine } from '../support/command-line.ts';
import { createProbes } from '../support/probes.ts';
import { useTestApp } from '../support/test-app.ts';

const app = useTestApp();

const { run } = createCommandLine(() => app);
const { groupRow, readState } = createProbes(() => app);

test.each([
  ['show', '99999'],
  ['edit', '99999', '--price', '1'],
  ['delete', '99999', '--yes'],
])(
  'groups %s of a group that does not exist names it, and the command that lists the groups',
  async (...args) => {
    const { code, stdout, stderr } = await run('groups', ...args);
    expect([code, stdout, stderr]).toStrictEqual([
      1,
      '',
      'group-api: Group not found: group 99999 (NOT_FOUND)\ngroup-api:   to continue: group-api groups list\n',
    ]);
    const asJson = JSON.parse((await run('groups', ...args, '--json')).stderr);
    expect(asJson.error).toStrictEqual({
      id: 99999,
      help: 'group-api groups list',
      code: 'NOT_FOUND',
      message: 'Group not found: group 99999',
    });
  },
);

describe('groups delete', () => {
  test.each([
    [['7'], 1, 'Not a terminal; pass --yes'],
    [['x', '--yes'], 1, 'Group id must be a positive integer: ids[0] is "x" (BAD_USER_INPUT)'],
    [['7', '7', '--yes'], 1, 'ids must not contain duplicates: 7 is repeated (BAD_USER_INPUT)'],
    [['2000000000', '--yes'], 1, 'Group not found: group 2000000000 (NOT_FOUND)'],
    [
      ['7', '8', '--move-subscribers-to', '9', '--yes'],
      1,
      '--move-subscribers-to requires a single id, not 2',
    ],
    [
      ['7', '--move-subscribers-to', '7', '--yes'],
      1,
      '--move-subscribers-to must differ from the group to delete',
    ],
    [
      Array.from({ length: 1001 }, (_, i) => String(i + 1)),
      1,
      'ids must contain 1 to 1000 group ids, not 1001',
    ],
    [[], 2, "error: missing required argument 'id'"],
    [['7', '--force'], 2, "error: unknown option '--force'"],
  ])('groups delete rejects %j, and changes nothing', async (args, exitCode, message) => {
    const before = await readState();
    const { code, stdout, stderr } = await run('groups', 'delete', ...args);
    expect([code, stdout, stderr]).toStrictEqual([exitCode, '', expect.stringContaining(message)]);
    expect(await readState()).toStrictEqual(before);
  });

  test('groups delete of a deleted group says when and by whom it was deleted', async () => {
    const id = await app.createGroup();
    await app.post('/deleteGroup', { id });
    const { code, stderr } = await run('groups', 'delete', String(id), '--yes');
    expect([code, stderr]).toStrictEqual([
      1,
      expect.stringMatching(
        `^group-api: Group not found: group ${id} was deleted on .+ by admin. \`group-api groups restore ${id}\` restores it until .+ \\(NOT_FOUND\\)\n$`,
      ),
    ]);
  });

  test('groups delete of several ids says when and by whom those were deleted that are missing', async () => {
    const [deleted, also, existing] = [
      await app.createGroup(),
      await app.createGroup(),
      await app.createGroup(),
    ];
    await app.post('/deleteGroups', { ids: [deleted, also] });
    const ids = [deleted, also, existing].map(String);
    const { code, stderr } = await run('groups', 'delete', ...ids, '--yes');
    expect(code).toBe(1);
    for (const id of [deleted, also]) {
      expect(stderr).toMatch(
        new RegExp(
          `^group-api: {3}group ${id}: Group not found: group ${id} was deleted on \\S+Z by admin\\. .* \\(NOT_FOUND\\)$`,
          'm',
        ),
      );
    }
    expect(await groupRow(existing)).toHaveLength(1);
  });
});
