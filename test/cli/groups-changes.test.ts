import { spawn } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { bin, createCommandLine, cwd } from '../support/command-line.ts';
import { createProbes } from '../support/probes.ts';
import { openSecondConnection } from '../support/second-connection.ts';
import { notATerminal, onTerminal, runAtTerminal, typedAnswers } from '../support/terminal.ts';
import { openTestApp, type TestApp } from '../support/test-app.ts';

let app: TestApp;
beforeAll(async () => {
  app = await openTestApp();
});
afterAll(() => app.close());

const { run } = createCommandLine(() => app);
const { archiveRow, groupRow, readState } = createProbes(() => app);

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

  test.each(['restore', 'purge'])(
    'groups %s stops at a signal before the next group, and says which groups are done and which are not',
    async (command) => {
      const ids = await deleteGroups('One', 'Two', 'Three');
      const before = await readState();
      const lock = await openSecondConnection(app);
      await lock.query('BEGIN');
      await lock.query('SELECT FROM deleted_groups WHERE id = $1 FOR UPDATE', [ids[1]]);
      const options = command === 'purge' ? ['--yes'] : [];
      const child = spawn(process.execPath, [bin, 'groups', command, ...ids.map(String), ...options], {
        cwd,
        env: { PATH: process.env['PATH'], DATABASE_URL: app.url },
      });
      const output = { stdout: '', stderr: '' };
      child.stdout.on('data', (chunk: Buffer) => (output.stdout += chunk.toString()));
      child.stderr.on('data', (chunk: Buffer) => (output.stderr += chunk.toString()));
      const exited = new Promise((resolve) => child.on('close', resolve));
      try {
        await lock.waitForBlocked();
        child.kill('SIGTERM');
        // The signal has arrived before the lock is released, since the process has nothing else to do.
        await sleep(200);
        await lock.query('COMMIT');
        expect(await exited).toBe(1);
      } finally {
        child.kill('SIGKILL');
        await lock.close();
      }
      const [one, two, three] = ids;
      const verb = command === 'purge' ? 'Purged' : 'Restored';
      expect(output).toStrictEqual({
        stdout: `${verb} group ${one}: One\n${verb} group ${two}: Two\n`,
        stderr: `group-api: Aborted by a signal. Done: ${one}, ${two}. Not done: ${three}\n`,
      });
      const isThird = ({ what, id }: Record<string, unknown>) => what === 'archive' && id === String(three);
      expect((await readState()).filter(isThird)).toStrictEqual(before.filter(isThird));
    },
  );

  test('groups restore --move-subscribers-back reports a group whose moved subscribers are unknown; the others are restored', async () => {
    const [unknown, other] = await deleteGroups('Unknown', 'Other');
    await app.sql('UPDATE deleted_groups SET subscribers_moved = 3 WHERE id = $1', [unknown]);
    const ids = [unknown, other].map(String);
    const { code, stdout, stderr } = await run('groups', 'restore', ...ids, '--move-subscribers-back');
    expect([code, stdout]).toStrictEqual([1, `Restored group ${other}: Other; 0 subscribers moved back\n`]);
    expect(stderr).toMatch(/^group-api: 1 of 2 groups failed; the others are done\. .*\(BAD_USER_INPUT\)$/m);
    expect(stderr).toContain(
      'Restore without --move-subscribers-back, and use `group-api subscribers move` (',
    );
    expect([await archiveRow(unknown!), await archiveRow(other!)]).toMatchObject([[{ id: unknown }], []]);
  });

  test('groups purge without --yes and without a terminal purges nothing', async () => {
    const [id] = await deleteGroups('Stays');
    const before = await readState();
    expect(await run('groups', 'purge', String(id))).toStrictEqual(notATerminal);
    expect(await readState()).toStrictEqual(before);
  });
});

onTerminal.each(typedAnswers)(
  'groups purge at a terminal shows the deleted groups, and asks: %s',
  async (answer, exitCode, count) => {
    const id = await app.createGroup({ name: 'Purged' });
    const existing = await app.createGroup();
    await app.post('/deleteGroup', { id });
    const { deleted_at: deletedAt } = (await archiveRow(id))[0]!;
    const ids = count === 0 ? [id] : [id, existing];
    const { code, stdout } = await runAtTerminal(app, answer, 'groups', 'purge', ...ids.map(String));
    expect(code).toBe(exitCode);
    expect(stdout).toMatch(/^ID +NAME +DELETED\r?$/m);
    expect(stdout).toMatch(new RegExp(`^${id} +Purged +${(deletedAt as Date).toISOString()}\r?$`, 'm'));
    if (ids.length > 1) expect(stdout).toMatch(new RegExp(`^${existing} +not deleted\r?$`, 'm'));
    expect(await archiveRow(id)).toHaveLength(count);
  },
);

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
