import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createCommandLine } from './support/command-line.ts';
import { createProbes } from './support/probes.ts';
import { openTestApp, type TestApp } from './support/test-app.ts';

let app: TestApp;
beforeAll(async () => {
  app = await openTestApp();
});
afterAll(() => app.close());

const { run } = createCommandLine(() => app);
const { groupRow, readState } = createProbes(() => app);

describe('groups restore and purge', () => {
  const deleteGroups = async (...names: string[]): Promise<number[]> => {
    const ids: number[] = [];
    for (const name of names) ids.push(await app.createGroup({ name }));
    await app.post('/deleteGroups', { ids });
    return ids;
  };

  test('groups restore of several ids restores those that it can, and reports each of the others', async () => {
    const [one, two] = await deleteGroups('One', 'Two');
    const existing = await app.createGroup();
    const ids = [one, existing, 2_000_000_000, two].map(String);
    const { code, stdout, stderr } = await run('groups', 'restore', ...ids);
    expect([code, stdout]).toStrictEqual([1, `Restored group ${one}: One\nRestored group ${two}: Two\n`]);
    expect(stderr).toMatch(
      /^group-api: 2 of 4 groups failed; the others are done\. Group \d+: Group \d+ exists/,
    );
    expect(stderr).toMatch(new RegExp(`^group-api:   group ${existing}: .* \\(ALREADY_EXISTS\\)$`, 'm'));
    expect(stderr).toMatch(/^group-api: {3}group 2000000000: .* \(NOT_FOUND\)$/m);
    for (const id of [one!, two!, existing]) expect(await groupRow(id)).toHaveLength(1);
    const events = await app.sql(
      `SELECT target_ids, outcome FROM audit_events WHERE operation = 'groups restore' ORDER BY audit_events.id DESC LIMIT 4`,
    );
    expect(events.toReversed()).toStrictEqual(
      ids.map((id, index) => ({ target_ids: [id], outcome: [0, 3].includes(index) ? 'done' : 'refused' })),
    );
  });

  test('groups purge without --yes and without a terminal purges nothing', async () => {
    const [id] = await deleteGroups('Stays');
    const before = await readState();
    expect(await run('groups', 'purge', String(id))).toStrictEqual({
      code: 1,
      stdout: '',
      stderr: 'group-api: Not a terminal; pass --yes\n',
    });
    expect(await readState()).toStrictEqual(before);
  });
});

describe('options of fields', () => {
  test.each([
    [['create', '--name', 'A'], '--tag-name is required (BAD_USER_INPUT)'],
    [
      ['create', '--name', 'A', '--tag-name', 'a', '--duration', 'long', '--price', '1'],
      '--duration must be a whole number from 0 to 2147483647, not "long" (BAD_USER_INPUT)',
    ],
    [['edit', '7', '--hidden', 'yes'], '--hidden must be true or false, not "yes" (BAD_USER_INPUT)'],
    [['edit', 'x', '--price', '1'], 'Group id must be a positive integer (BAD_USER_INPUT)'],
    [['edit', '7'], /^group-api: Pass at least one field to change: --name, --description, --tag-name, /],
    [['edit', '2000000000', '--price', '1'], /^group-api: Group not found/],
  ])('groups %j names the option that is wrong, and changes nothing', async (args, message) => {
    const before = await readState();
    const { code, stdout, stderr } = await run('groups', ...args);
    expect([code, stdout]).toStrictEqual([1, '']);
    if (typeof message === 'string') expect(stderr).toBe(`group-api: ${message}\n`);
    else expect(stderr).toMatch(message);
    expect(await readState()).toStrictEqual(before);
  });

  test('groups edit changes the fields of its options only, and a table shows line breaks and blanks', async () => {
    const id = await app.createGroup({ name: 'Edited', ip: 'STATIC', usernamePostfix: '-e' });
    const [before] = await groupRow(id);
    expect((await run('groups', 'edit', String(id), '--no-ip', '--description', 'one\ntwo')).code).toBe(0);
    const [after] = await groupRow(id);
    expect(after).toStrictEqual({
      ...before,
      ip: null,
      description: 'one\ntwo',
      version: 2,
      updated_at: after!['updated_at'],
    });
    const { stdout } = await run('groups', 'show', String(id));
    expect(stdout).toMatch(/^description +one\n {2,}two\n/m);
    expect(stdout).toMatch(/^ip\n/m);
  });
});
