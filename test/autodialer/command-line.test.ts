import { describe, expect, test } from '@jest/globals';
import { createAutodialerClient } from '../support/autodialer.ts';
import { createCommandLine } from '../support/command-line.ts';
import { basic } from '../support/test-accounts.ts';
import { testKey, useTestApp } from '../support/test-app.ts';

const app = useTestApp();
const { run, runWith } = createCommandLine(() => app);

const statusOf = async (headers: Record<string, string>) =>
  (await app.post('/allGroups', {}, { 'X-APIKEY': '', ...headers })).status;

describe('accounts create --api-key-stdin with an existing key', () => {
  const key = 'vZKtIKWsld0egNlkzHo8i5LVBqLNBSWARCQsPOSgDjFmAHM3tG';

  test("an existing key is accepted, so that the vendor's samples work with only the host changed", async () => {
    await runWith(
      'Aa123456',
      'accounts',
      'create',
      'test',
      '--scope',
      '*',
      '--password-stdin',
      '--require-both',
    );
    const rotated = await runWith(`${key}\n`, 'accounts', 'rotate', 'test', '--api-key-stdin', '--json');
    expect(rotated).toMatchObject({ code: 0, stderr: '' });
    expect(rotated.stdout).not.toContain(key);
    expect(await statusOf({ 'X-APIKEY': key, ...basic('test', 'Aa123456') })).toBe(200);
    expect(await statusOf({ 'X-APIKEY': key })).toBe(401);
  });

  test.each([
    ['short', [], 'The API key must be 32 to 256 printable ASCII characters'],
    [key, ['--password-stdin'], '--api-key-stdin cannot be combined with --password or --password-stdin'],
    [testKey, [], 'Another account has this API key: choose a different one'],
  ])('%s with %j is rejected', async (input, options, message) => {
    const { code, stderr } = await runWith(
      input,
      'accounts',
      'rotate',
      'test',
      '--api-key-stdin',
      ...options,
    );
    expect([code, stderr]).toStrictEqual([1, expect.stringContaining(message)]);
    expect(await statusOf({ 'X-APIKEY': key, ...basic('test', 'Aa123456') })).toBe(200);
  });
});

describe('number-groups', () => {
  const { addGroup, call, numbersOf } = createAutodialerClient(() => app);

  test('number-groups restore restores a removed group with its numbers, once, with an audit event', async () => {
    const id = await addGroup({ name: 'back', numbers: ['1', '2'], description: 'd' });
    const [before] = await app.sql('SELECT * FROM number_groups WHERE id = $1', [id]);
    await call('remove', { _id: id });

    const listed = await run('number-groups', 'removed');
    expect(listed.stdout).toMatch(new RegExp(`^${id} +back +2 +\\S+Z +admin +\\S+Z$`, 'm'));
    expect(JSON.parse((await run('number-groups', 'removed', '--json')).stdout)).toMatchObject([
      { _id: id, name: 'back', description: 'd', count: 2, deletedBy: 'admin' },
    ]);

    expect(await run('number-groups', 'restore', id.toUpperCase())).toStrictEqual({
      code: 0,
      stdout: `Restored number group ${id}: back, 2 numbers\n`,
      stderr: '',
    });
    expect(await app.sql('SELECT * FROM number_groups WHERE id = $1', [id])).toStrictEqual([before]);
    expect(await app.sql('SELECT FROM deleted_number_groups')).toStrictEqual([]);
    expect(await numbersOf(id)).toStrictEqual(['1', '2']);
    expect(
      await app.sql(
        `SELECT account, outcome, after->>'name' AS name FROM audit_events
        WHERE operation = 'number-groups restore' AND target_ids = ARRAY[$1]`,
        [id],
      ),
    ).toStrictEqual([{ account: expect.stringMatching(/^command-line:/), outcome: 'done', name: 'back' }]);

    const again = await run('number-groups', 'restore', id);
    expect([again.code, again.stderr]).toStrictEqual([
      1,
      `group-api: The number group ${id} exists: it is not removed (ALREADY_EXISTS)\n`,
    ]);
    expect(
      await app.sql(
        `SELECT operation, outcome, error_code FROM audit_events WHERE target_ids = ARRAY[$1]
        ORDER BY audit_events.id DESC LIMIT 1`,
        [id],
      ),
    ).toStrictEqual([
      { operation: 'number-groups restore', outcome: 'refused', error_code: 'ALREADY_EXISTS' },
    ]);
  });

  test.each([
    ['0123456789abcdef01234567', 'There is no removed number group 0123456789abcdef01234567 (NOT_FOUND)'],
    ['7', '_id must be 24 hexadecimal digits (BAD_USER_INPUT)'],
  ])('number-groups restore %s is rejected', async (id, message) => {
    const { code, stderr } = await run('number-groups', 'restore', id);
    expect([code, stderr]).toStrictEqual([1, `group-api: ${message}\n`]);
  });
});
