import { describe, expect, test } from '@jest/globals';
import { createCommandLine } from '../support/command-line.ts';
import { createProbes, future, past } from '../support/probes.ts';
import { onTerminal, runAtTerminal, typedAnswers } from '../support/terminal.ts';
import { groupFields, useTestApp } from '../support/test-app.ts';

const app = useTestApp();

const { run, environment } = createCommandLine(() => app);
const { groupRow, archiveRow, subscribe, subscribersOf, readState } = createProbes(() => app);

const lastAuditEvent = async () => {
  const [event] = await app.sql(
    `SELECT account, credential, operation, target_ids, outcome, error_code, reason, before FROM audit_events ORDER BY id DESC LIMIT 1`,
  );
  return event;
};

describe('groups delete', () => {
  test('groups delete deletes a group, prints until when it can be restored, and is recorded as a command', async () => {
    const [id, other] = [await app.createGroup({ name: 'Gold' }), await app.createGroup()];
    const fields = `${groupFields} radiusAttributes { attribute op value }`;
    const { body } = await app.graphql(`query ($id: Int!) { group(id: $id) { ${fields} } }`, { id });
    const [before] = await groupRow(id);

    const answer = await run(
      'groups',
      'delete',
      String(id),
      '--yes',
      '--reason',
      ' no longer sold ',
      '--json',
    );

    const [archived] = await archiveRow(id);
    expect([answer.code, answer.stderr]).toStrictEqual([0, '']);
    expect(JSON.parse(answer.stdout)).toStrictEqual({
      groups: [body.data.group],
      restorableUntil: (archived!['purge_at'] as Date).toISOString(),
      isDryRun: false,
      subscribersMoved: 0,
    });
    expect(archived).toMatchObject({
      deleted_by: expect.stringMatching(/^command-line:/),
      reason: 'no longer sold',
    });
    expect(await groupRow(id)).toStrictEqual([]);
    expect(await groupRow(other)).toHaveLength(1);
    expect(await lastAuditEvent()).toMatchObject({
      account: expect.stringMatching(/^command-line:/),
      credential: 'command-line',
      operation: 'groups delete',
      target_ids: [String(id)],
      outcome: 'done',
      error_code: null,
      reason: 'no longer sold',
      before: { id, name: before!['name'] },
    });
  });

  test('groups delete of several ids deletes all or none: each blocker has its group and what would help', async () => {
    const [free, held, locked] = [
      await app.createGroup(),
      await app.createGroup({ name: 'Gold' }),
      await app.createGroup({ protected: true }),
    ];
    await subscribe(held, 'ali');
    for (const username of ['ali', 'mina']) await subscribe(locked, username);
    const ids = [free, held, locked, 2_000_000_000].map(String);
    const before = await readState();

    const refused = await run('groups', 'delete', ...ids, '--yes');
    expect(refused).toStrictEqual({
      code: 1,
      stdout: '',
      stderr: [
        `group-api: 3 of 4 groups cannot be deleted, so none was. Group ${held}: Cannot delete group with active subscribers (HAS_ACTIVE_SUBSCRIBERS)`,
        `group-api:   group ${held} Gold: Cannot delete group with active subscribers: 1 active (HAS_ACTIVE_SUBSCRIBERS); to continue: group-api groups delete ${held} --move-subscribers-to <id>`,
        `group-api:   group ${locked} Plain: Cannot delete a protected group (GROUP_PROTECTED); to continue: group-api groups edit ${locked} --protected false`,
        `group-api:   group ${locked} Plain: Cannot delete group with active subscribers: 2 active (HAS_ACTIVE_SUBSCRIBERS); to continue: group-api groups delete ${locked} --move-subscribers-to <id>`,
        'group-api:   group 2000000000: Group not found (NOT_FOUND)\n',
      ].join('\n'),
    });
    expect(await lastAuditEvent()).toMatchObject({
      operation: 'groups delete',
      target_ids: ids,
      outcome: 'refused',
      error_code: 'HAS_ACTIVE_SUBSCRIBERS',
    });

    const asJson = await run('groups', 'delete', ...ids, '--yes', '--json');
    expect([asJson.code, asJson.stdout]).toStrictEqual([1, '']);
    expect(JSON.parse(asJson.stderr)).toMatchObject({
      error: {
        code: 'HAS_ACTIVE_SUBSCRIBERS',
        blockers: [
          { id: held, name: 'Gold', code: 'HAS_ACTIVE_SUBSCRIBERS', subscriberCount: 1 },
          { id: locked, name: 'Plain', code: 'GROUP_PROTECTED' },
          { id: locked, code: 'HAS_ACTIVE_SUBSCRIBERS', subscriberCount: 2 },
          { id: 2_000_000_000, code: 'NOT_FOUND' },
        ],
      },
    });
    expect(await readState()).toStrictEqual(before);
  });

  test('groups delete of a blocked group names the group, its active subscribers and what would help', async () => {
    const [held, locked, target] = [
      await app.createGroup({ name: 'Held' }),
      await app.createGroup({ name: 'Locked', protected: true }),
      await app.createGroup(),
    ];
    await subscribe(held, 'ali');
    await subscribe(locked, 'ali');
    const before = await readState();
    expect(await run('groups', 'delete', String(held), '--yes')).toStrictEqual({
      code: 1,
      stdout: '',
      stderr: [
        'group-api: Cannot delete group with active subscribers (HAS_ACTIVE_SUBSCRIBERS)',
        `group-api:   group ${held} Held: Cannot delete group with active subscribers: 1 active (HAS_ACTIVE_SUBSCRIBERS); to continue: group-api groups delete ${held} --move-subscribers-to <id>\n`,
      ].join('\n'),
    });
    // The subscribers would be moved: they block nothing.
    const moving = ['--move-subscribers-to', String(target), '--yes'];
    expect(await run('groups', 'delete', String(locked), ...moving)).toStrictEqual({
      code: 1,
      stdout: '',
      stderr: [
        'group-api: Cannot delete a protected group (GROUP_PROTECTED)',
        `group-api:   group ${locked} Locked: Cannot delete a protected group (GROUP_PROTECTED); to continue: group-api groups edit ${locked} --protected false\n`,
      ].join('\n'),
    });
    expect(await readState()).toStrictEqual(before);

    // What the messages say helps.
    expect((await run('groups', 'edit', String(locked), '--protected', 'false')).code).toBe(0);
    expect((await run('groups', 'delete', String(held), ...moving)).code).toBe(0);
    expect((await run('subscribers', 'remove', 'ali', '--group', String(target), '--yes')).code).toBe(0);
    expect((await run('groups', 'delete', String(locked), ...moving)).code).toBe(0);
  });

  test('groups delete --move-subscribers-to moves the active subscribers', async () => {
    const [id, target] = [await app.createGroup({ name: 'Old' }), await app.createGroup()];
    await subscribe(id, 'ali', { expiresAt: future });
    const { code, stdout } = await run(
      'groups',
      'delete',
      String(id),
      '--move-subscribers-to',
      String(target),
      '--yes',
    );
    expect([code, stdout]).toStrictEqual([
      0,
      expect.stringMatching(
        new RegExp(
          `^Deleted group ${id}: Old; 1 subscriber moved to group ${target}\nTo restore until \\S+Z: group-api groups restore ${id} --move-subscribers-back\n$`,
        ),
      ),
    ]);
    expect(await subscribersOf(target)).toMatchObject([{ username: 'ali' }]);
    expect(await lastAuditEvent()).toMatchObject({
      target_ids: [String(id), String(target)],
      outcome: 'done',
    });

    // The printed command undoes the delete.
    const [, undo] = /: group-api (.*)\n$/.exec(stdout)!;
    expect(await run(...undo!.split(' '))).toStrictEqual({
      code: 0,
      stdout: `Restored group ${id}: Old; 1 subscriber moved back\n`,
      stderr: '',
    });
    expect(await subscribersOf(id)).toMatchObject([{ username: 'ali' }]);
    expect(await subscribersOf(target)).toStrictEqual([]);
  });

  test('groups delete --move-subscribers-to --dry-run prints how many it would move; without any, the undo moves none back', async () => {
    const [held, free, target] = [
      await app.createGroup({ name: 'Held' }),
      await app.createGroup({ name: 'Free' }),
      await app.createGroup(),
    ];
    for (const username of ['ali', 'mina']) await subscribe(held, username);
    const before = await readState();
    const moving = ['--move-subscribers-to', String(target), '--yes'];
    expect((await run('groups', 'delete', String(held), ...moving, '--dry-run')).stdout).toBe(
      `Would delete group ${held}: Held; 2 subscribers would be moved to group ${target}\n`,
    );
    expect(await readState()).toStrictEqual(before);
    expect((await run('groups', 'delete', String(free), ...moving)).stdout).toMatch(
      new RegExp(
        `^Deleted group ${free}: Free; 0 subscribers moved to group ${target}\n.*groups restore ${free}\n$`,
      ),
    );
  });

  test('groups delete --dry-run asks nothing, and changes nothing but adds a marked audit event', async () => {
    const id = await app.createGroup({ name: 'Stays' });
    const before = await readState();
    expect(await run('groups', 'delete', String(id), '--dry-run')).toStrictEqual({
      code: 0,
      stdout: `Would delete group ${id}: Stays\n`,
      stderr: '',
    });
    expect(await readState()).toStrictEqual(before);
    expect(await lastAuditEvent()).toMatchObject({
      operation: 'groups delete',
      outcome: 'dry-run',
      error_code: null,
    });
  });

  test('groups delete with a retention of 0 reports that the groups cannot be restored', async () => {
    const id = await app.createGroup({ name: 'Gone' });
    environment['DELETED_GROUP_RETENTION_DAYS'] = '0';
    const { stdout } = await run('groups', 'delete', String(id), '--yes');
    delete environment['DELETED_GROUP_RETENTION_DAYS'];
    expect(stdout).toBe(
      `Deleted group ${id}: Gone\nThe archive is disabled (DELETED_GROUP_RETENTION_DAYS=0): the delete cannot be undone\n`,
    );
    expect(await archiveRow(id)).toStrictEqual([]);
  });

  onTerminal.each(typedAnswers)(
    'groups delete at a terminal shows the impact and asks: %s',
    async (answer, exitCode, groupCount) => {
      const id = await app.createGroup({ name: 'Asked' });
      await app.sql(
        `INSERT INTO subscribers (group_id, username, starts_at, expires_at) VALUES ($1, 'old', $2, now())`,
        [id, past],
      );
      const { code, stdout } = await runAtTerminal(app, answer, 'groups', 'delete', String(id));
      expect(code).toBe(exitCode);
      expect(stdout).toMatch(/ID +NAME +ACTIVE +PENDING +ENDED +BLOCKED BY/);
      expect(stdout).toMatch(new RegExp(`${id} +Asked +0 +0 +1`));
      expect(stdout).toContain(`Delete group ${id}? (yes/no)`);
      expect(await groupRow(id)).toHaveLength(groupCount);
    },
  );

  onTerminal(
    'groups delete --move-subscribers-to at a terminal shows the active subscribers, and not as blockers',
    async () => {
      const [id, target] = [
        await app.createGroup({ name: 'Moved', protected: true }),
        await app.createGroup(),
      ];
      await subscribe(id, 'ali');
      const args = ['groups', 'delete', String(id), '--move-subscribers-to', String(target)];
      const { code, stdout } = await runAtTerminal(app, 'no', ...args);
      expect(code).toBe(1);
      expect(stdout).toMatch(new RegExp(`^${id} +Moved +1 +0 +0 +Cannot delete a protected group\r?$`, 'm'));
      expect(await groupRow(id)).toHaveLength(1);
    },
  );
});
