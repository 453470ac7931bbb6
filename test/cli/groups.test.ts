import { beforeAll, describe, expect, test } from '@jest/globals';
import { createCommandLine } from '../support/command-line.ts';
import { createProbes, future, past } from '../support/probes.ts';
import { onTerminal, runAtTerminal } from '../support/terminal.ts';
import { useTestApp } from '../support/test-app.ts';

const app = useTestApp();

const { run, environment } = createCommandLine(() => app);
const { groupRow, archiveRow, subscribe, subscribersOf, readState } = createProbes(() => app);

const groupFields = `id name description tagName duration price usernamePostfix usernamePostfixId dailyBandwidth multiLoginCount
  downloadUpload ip hidden protected version createdAt updatedAt subscriberCount serviceGroup { id name description language discount }`;
const createServiceGroup = async (name: string): Promise<number> =>
  (await app.post('/createServiceGroup', { serviceGroup: { name } })).body.data.createServiceGroup.id;
const lastAuditEvent = async () => {
  const [event] = await app.sql(
    `SELECT account, credential, operation, target_ids, outcome, error_code, reason, before FROM audit_events ORDER BY id DESC LIMIT 1`,
  );
  return event;
};

describe('groups list', () => {
  let serviceGroupId: number;
  let ids: number[];
  beforeAll(async () => {
    serviceGroupId = await createServiceGroup('Listed');
    ids = [];
    for (const name of ["It's one", 'Two', 'Three'])
      ids.push(await app.createGroup({ name, tagName: 'listed', serviceGroupId, hidden: name === 'Two' }));
    await subscribe(ids[0]!, 'ali');
  });

  test('groups list --json prints the groups as the API returns them', async () => {
    const { code, stdout, stderr } = await run('groups', 'list', '--tag-name', 'listed', '--json');
    const query = `{ searchGroups(filter: { tagName: "listed" }) { groups: nodes { ${groupFields} } pageInfo { hasNextPage endCursor } } }`;
    const { body } = await app.graphql(query);
    expect([code, stderr]).toStrictEqual([0, '']);
    expect(JSON.parse(stdout)).toStrictEqual(body.data.searchGroups);
  });

  test('groups list prints a table, and the command for the next page with the same filters', async () => {
    const first = await run('groups', 'list', '--text', "It's", '--service-group', String(serviceGroupId));
    expect(first).toStrictEqual({
      code: 0,
      stderr: '',
      stdout: [
        'ID  NAME      TAG     DAYS  PRICE  SERVICE GROUP  SUBSCRIBERS  FLAGS',
        `${ids[0]}   It's one  listed  30    9.90   ${serviceGroupId} Listed       1\n`,
      ].join('\n'),
    });

    const page = await run('groups', 'list', '--tag-name', 'listed', '--first', '2');
    const [, next] = /\n\nNext page: group-api (groups list .*)\n$/.exec(page.stdout)!;
    expect(next).toMatch(/^groups list --tag-name listed --first 2 --after [\w-]+$/);
    const rest = await run(...next!.split(' '));
    expect(rest.stdout).toMatch(new RegExp(`^ID .*\\n${ids[2]} +Three .*\\n$`));
    expect(page.stdout).toMatch(new RegExp(`^${ids[1]} +Two .* hidden$`, 'm'));
  });

  test.each([
    [['--first', '201'], '--first must be a whole number from 1 to 200, not 201 (BAD_USER_INPUT)'],
    [['--first', 'ten'], '--first must be a whole number from 1 to 200, not "ten" (BAD_USER_INPUT)'],
    [
      ['--service-group', '0'],
      'Service group id must be a positive integer: --service-group is 0 (BAD_USER_INPUT)',
    ],
    [['--min-price', 'x'], /^group-api: --min-price must be .* "x" \(BAD_USER_INPUT\)\n$/],
    [['--min-duration', 'x'], /^group-api: --min-duration must be .* "x" \(BAD_USER_INPUT\)\n$/],
    [['--after', 'x'], '--after must be a cursor from a list with the same order (BAD_USER_INPUT)'],
  ])('groups list rejects the options %j', async (options, message) => {
    expect(await run('groups', 'list', ...options)).toStrictEqual({
      code: 1,
      stdout: '',
      stderr: typeof message === 'string' ? `group-api: ${message}\n` : expect.stringMatching(message),
    });
  });
});

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
  test('groups delete deletes a group, prints until when it can be restored, and is recorded as a command', async () => {
    const [id, other] = [await app.createGroup({ name: 'Gold' }), await app.createGroup()];
    const { body } = await app.graphql(`query ($id: Int!) { group(id: $id) { ${groupFields} } }`, { id });
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

  onTerminal.each([
    ['yes', 0, 0],
    ['no', 1, 1],
  ])('groups delete at a terminal shows the impact and asks: %s', async (answer, exitCode, groupCount) => {
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
  });

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
