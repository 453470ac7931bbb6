import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createCommandLine } from './support/command-line.ts';
import { createProbes, future, past } from './support/probes.ts';
import { onTerminal, runAtTerminal } from './support/terminal.ts';
import { openTestApp, type TestApp } from './support/test-app.ts';

let app: TestApp;
beforeAll(async () => {
  app = await openTestApp();
});
afterAll(() => app.close());

const { run } = createCommandLine(() => app);
const { readState, subscribe, subscribersOf } = createProbes(() => app);

test('subscribers list prints active subscribers a page at a time; an unknown group is rejected', async () => {
  const id = await app.createGroup();
  for (const username of ['ali', 'mina', 'sara']) await subscribe(id, username, { expiresAt: future });
  await app.sql(
    `INSERT INTO subscribers (group_id, username, starts_at, expires_at) VALUES ($1, 'old', $2, now())`,
    [id, past],
  );
  const { stdout } = await run('subscribers', 'list', String(id), '--first', '2', '--count');
  expect(stdout).toMatch(
    /^USERNAME +STATUS +STARTS +EXPIRES\nali +RUNNING .*\nmina +RUNNING .*\n\nOn all pages: 3\n/,
  );
  const [, next] = /\nNext page: group-api (.*)\n$/.exec(stdout)!;
  expect(next).toMatch(new RegExp(`^subscribers list ${id} --first 2 --count --after `));
  const rest = JSON.parse((await run(...next!.split(' '), '--json')).stdout);
  const { body } = await app.graphql(
    'query ($id: Int!) { group(id: $id) { subscribers { nodes { username groupId startsAt expiresAt status } totalCount totalCountIsExact } } }',
    { id },
  );
  const { nodes, ...total } = body.data.group.subscribers;
  expect(rest).toStrictEqual({
    subscribers: nodes.slice(2),
    pageInfo: { hasNextPage: false, endCursor: expect.any(String) },
    ...total,
  });
  expect((await run('subscribers', 'list', '2000000000')).stderr).toMatch(/^group-api: Group not found/);
});

test('subscribers move asks, rejects a clash with the usernames, and --dry-run moves none', async () => {
  const [from, to, target] = [await app.createGroup(), await app.createGroup(), await app.createGroup()];
  for (const group of [from, to]) await subscribe(group, 'ali');
  const before = await readState();
  const clash = await run('subscribers', 'move', String(from), String(to), '--yes');
  expect(clash.stderr).toMatch(/\(ALREADY_EXISTS\)\ngroup-api: {3}for example: ali\n$/);
  expect((await run('subscribers', 'move', String(from), String(to))).stderr).toBe(
    'group-api: Not a terminal; pass --yes\n',
  );
  expect((await run('subscribers', 'remove', 'ali', '--yes')).stderr).toMatch(
    /^group-api: ali is on several groups: --group is required \(BAD_USER_INPUT\)$/m,
  );
  expect((await run('subscribers', 'move', '7', '7')).stderr).toBe(
    'group-api: <to> must differ from <from> (BAD_USER_INPUT)\n',
  );
  expect((await run('subscribers', 'move', String(from), '2000000000', '--yes')).stderr).toMatch(
    /^group-api: Group not found: <to> is 2000000000 /,
  );
  expect((await run('subscribers', 'move', String(from), String(target), '--dry-run')).stdout).toMatch(
    /^Would move 1 subscriber from group /,
  );
  const [event] = await app.sql('SELECT operation, outcome FROM audit_events ORDER BY id DESC LIMIT 1');
  expect(event).toStrictEqual({ operation: 'subscribers move', outcome: 'dry-run' });
  expect(await readState()).toStrictEqual(before);
});

test('subscribers remove without --yes and without a terminal removes no subscriber', async () => {
  const id = await app.createGroup();
  await subscribe(id, 'nima');
  const before = await readState();
  expect(await run('subscribers', 'remove', 'nima')).toStrictEqual({
    code: 1,
    stdout: '',
    stderr: 'group-api: Not a terminal; pass --yes\n',
  });
  expect(await readState()).toStrictEqual(before);
});

onTerminal.each([
  ['yes', 0, 0],
  ['no', 1, 1],
])(
  'subscribers remove at a terminal names the subscriber and the group, and asks: %s',
  async (answer, exitCode, count) => {
    const id = await app.createGroup();
    await subscribe(id, 'asked');
    const args = ['subscribers', 'remove', 'asked', '--group', String(id)];
    const { code, stdout } = await runAtTerminal(app, answer, ...args);
    expect([code, await subscribersOf(id)]).toMatchObject([exitCode, { length: count }]);
    expect(stdout).toContain(`End the subscription of asked to group ${id}? (yes/no)`);
  },
);

test('service-groups delete rejects a service group that has groups, with their number and what would help', async () => {
  const created = await app.post('/createServiceGroup', { serviceGroup: { name: 'Full' } });
  const { id } = created.body.data.createServiceGroup;
  const groupId = await app.createGroup({ serviceGroupId: id });
  const { code, stderr } = await run('service-groups', 'delete', String(id), '--yes');
  expect([code, stderr]).toStrictEqual([
    1,
    [
      `group-api: Cannot delete a service group that still has groups: service group ${id} has 1. Change their serviceGroupId with \`group-api groups edit\` (HAS_GROUPS)`,
      `group-api:   to continue: group-api groups list --service-group ${id}, and for each group: group-api groups edit <id> --no-service-group-id\n`,
    ].join('\n'),
  ]);
  expect((await run('groups', 'edit', String(groupId), '--no-service-group-id')).code).toBe(0);
  expect((await run('service-groups', 'delete', String(id), '--yes')).code).toBe(0);
});
