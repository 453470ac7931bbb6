import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, jest, test } from '@jest/globals';
import { createDoctorCommand } from '../src/cli/doctor.ts';
import { createGroupsCommand } from '../src/cli/groups.ts';
import { createMigrateCommand } from '../src/cli/migrate.ts';
import { openTestApp, type TestApp } from './support/test-app.ts';
import { createTestFolder } from './support/test-folder.ts';

// Runs commands of cli.*.test.ts in this process, so that the coverage includes them.
let app: TestApp;
let folder: string;
let printed: string;
const environment = { ...process.env };
beforeAll(async () => {
  app = await openTestApp();
  folder = await createTestFolder();
});
afterAll(async () => {
  await app.close();
  await rm(folder, { recursive: true, force: true });
});
beforeEach(() => {
  process.env['DATABASE_URL'] = app.url;
  jest.spyOn(process.stdout, 'write').mockImplementation((text) => {
    printed += String(text);
    return true;
  });
});
afterEach(() => {
  jest.restoreAllMocks();
  for (const name of ['DATABASE_URL', 'DATA_DIR', 'PORT', 'TLS_CERT_FILE', 'TLS_KEY_FILE']) {
    if (environment[name] === undefined) delete process.env[name];
    else process.env[name] = environment[name];
  }
  process.exitCode = undefined;
});

const commands = { groups: createGroupsCommand, migrate: createMigrateCommand, doctor: createDoctorCommand };
const run = async (name: keyof typeof commands, ...given: string[]) => {
  printed = '';
  await commands[name]().parseAsync(given, { from: 'user' });
  return printed;
};
const doctor = async () => {
  const { checks } = JSON.parse(await run('doctor', '--json')) as {
    checks: { name: string; state: string; message: string }[];
  };
  return checks.filter(({ state }) => state !== 'ok').map(({ name, message }) => `${name}: ${message}`);
};

test('groups list, export, delete and import work in this process', async () => {
  const ids = [await app.createGroup({ name: 'One' }), await app.createGroup({ name: 'Two' })];
  await app.post('/subscribe', { username: 'mina', groupId: ids[0] });
  expect(await run('groups', 'list', '--text', 'one')).toMatch(/One/);
  const page = JSON.parse(await run('groups', 'list', '--first', '1', '--json'));
  expect(JSON.stringify(page)).toContain('One');
  expect(JSON.stringify(page)).not.toContain('Two');

  const file = join(folder, 'plans.ndjson');
  expect(await run('groups', 'export', file)).toContain('2 groups, 1 subscribers');
  await expect(run('groups', 'export', file)).rejects.toThrow('exists: give another name, or add --force');
  await expect(run('groups', 'delete', String(ids[0]), '--yes')).rejects.toMatchObject({
    code: 'HAS_ACTIVE_SUBSCRIBERS',
  });
  await expect(run('groups', 'delete', String(ids[1]))).rejects.toThrow('--yes');
  await run('groups', 'delete', String(ids[1]), '--dry-run', '--yes');
  expect(await app.sql('SELECT FROM groups')).toHaveLength(2);
  const moved = await run(
    'groups',
    'delete',
    String(ids[0]),
    '--move-subscribers-to',
    String(ids[1]),
    '--yes',
  );
  expect(moved).toContain('One');
  expect(await app.sql('SELECT id FROM groups')).toStrictEqual([{ id: ids[1] }]);

  await app.sql('DELETE FROM subscribers');
  const counts = JSON.parse(await run('groups', 'import', file, '--json'));
  expect(counts.groups).toStrictEqual({ added: 0, restored: 1, unchanged: 1 });
  expect(await run('groups', 'import', file, '--dry-run')).toContain('A dry run: nothing was changed');
  expect(await app.sql('SELECT id FROM groups ORDER BY id')).toStrictEqual(ids.map((id) => ({ id })));
  await run('groups', 'export', file, '--force', '--id', String(ids[0]));
  expect((await readFile(file, 'utf8')).trim().split('\n')).toHaveLength(4);
});

test('groups delete of several ids deletes all of them or none', async () => {
  const ids = [await app.createGroup({ name: 'Three' }), await app.createGroup({ protected: true })];
  await expect(run('groups', 'delete', ...ids.map(String), '--yes')).rejects.toMatchObject({
    code: 'GROUP_PROTECTED',
  });
  await app.post('/editGroup', { id: ids[1], group: { protected: false } });
  const deleted = JSON.parse(await run('groups', 'delete', ...ids.map(String), '--yes', '--json'));
  expect(JSON.stringify(deleted)).toContain('Three');
  expect(await app.sql('SELECT FROM groups WHERE id = ANY ($1)', [ids])).toStrictEqual([]);
});

test('migrate applies nothing to a database at the current version', async () => {
  expect(await run('migrate')).toMatch(/^Nothing to do: PostgreSQL at .* is at this version\n$/);
});

test('doctor reports no problem, and then a planted one', async () => {
  expect(await doctor()).toStrictEqual([]);

  await app.sql('ALTER TABLE idempotency_keys RENAME TO keys_elsewhere');
  const missing = await doctor();
  await app.sql('ALTER TABLE keys_elsewhere RENAME TO idempotency_keys');
  expect(missing).toContainEqual(expect.stringMatching(/^tables: .*idempotency_keys/));
  expect(process.exitCode).toBe(1);

  process.env['PORT'] = 'many';
  process.env['TLS_CERT_FILE'] = folder;
  process.env['TLS_KEY_FILE'] = folder;
  const settings = await doctor();
  expect(settings).toContainEqual(expect.stringMatching(/^settings: PORT must be/));
  expect(settings).toContainEqual(expect.stringMatching(/^settings: TLS_CERT_FILE /));
});

test('doctor reports that there is no embedded database yet, and creates none', async () => {
  delete process.env['DATABASE_URL'];
  process.env['DATA_DIR'] = join(folder, 'data');
  expect(await doctor()).toStrictEqual([]);
  expect(printed).toContain('There is no embedded database yet');
});
