import { execFile } from 'node:child_process';
import { cp, mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { startServer, type ServerProcess } from '../support/server-process.ts';
import { openTestApp, plainGroup, testKey, type Json } from '../support/test-app.ts';
import { createTestDatabase, useTestDatabase, type TestDatabase } from '../support/test-database.ts';
import { createTestFolder } from '../support/test-folder.ts';

// "A new field of Group" in CONTRIBUTING.md, step by step in a copy of the project: a check names what is missing after
// each step, and the field is everywhere at the end. groups/later-columns.test.ts has the data of earlier versions.

const root = fileURLToPath(new URL('../..', import.meta.url));
const notCopied = new Set(['node_modules', 'dist', '.git', 'coverage', 'screenshots', 'data', 'generated']);
let folder: string;
let copy: string;
const databases: TestDatabase[] = [];

beforeAll(async () => {
  folder = await createTestFolder();
  copy = join(folder, 'copy');
  await cp(root, copy, {
    recursive: true,
    filter: (source) =>
      !relative(root, source)
        .split('/')
        .some((name) => notCopied.has(name)),
  });
  await symlink(join(root, 'node_modules'), join(copy, 'node_modules'));
});
afterAll(async () => {
  for (const database of databases) await database.drop();
  await rm(folder, { recursive: true, force: true });
});

const migration = 'prisma/migrations/0999_group_color/migration.sql';
/** In the order of the steps. */
const edited = [migration];

async function addMigration() {
  await mkdir(dirname(join(copy, migration)));
  await writeFile(
    join(copy, migration),
    `ALTER TABLE "groups" ADD COLUMN "color" TEXT NOT NULL DEFAULT 'none';\n`,
  );
}

/** Inserts text after each of the first places that match. */
async function edit(path: string, ...insertions: readonly (readonly [after: string, text: string])[]) {
  edited.push(path);
  let source = await readFile(join(copy, path), 'utf8');
  for (const [after, text] of insertions) {
    if (!source.includes(after)) throw new Error(`${path} has no ${after}`);
    const end = source.indexOf(after) + after.length;
    source = source.slice(0, end) + text + source.slice(end);
  }
  await writeFile(join(copy, path), source);
}

async function run(...args: readonly string[]): Promise<{ code: number; output: string }> {
  // The tests of the copy are not among those that are counted.
  const { TEST_COUNTS_FILE: _file, ...env } = process.env;
  try {
    const { stdout, stderr } = await promisify(execFile)(process.execPath, args, { cwd: copy, env });
    return { code: 0, output: stdout + stderr };
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
    return { code, output: stdout + stderr };
  }
}

/** Generates the types, then returns the files with type errors, and whether each error names the new field. */
async function findTypeErrors(): Promise<{ files: string[]; allNameField: boolean }> {
  expect(await run('scripts/generate.js')).toMatchObject({ code: 0 });
  const { output } = await run('node_modules/typescript/bin/tsc', '--noEmit', '--pretty', 'false');
  const errors = output.split(/\n(?=\S)/).filter((text) => text.includes('error TS'));
  return {
    files: [...new Set(errors.map((text) => text.slice(0, text.indexOf('('))))],
    allNameField: errors.every((text) => /\bcolor\b/.test(text)),
  };
}

describe('a new field of Group, by the steps of CONTRIBUTING.md', () => {
  test('after each step the types or checks name the file of the next one, and at the end they find nothing', async () => {
    await addMigration();

    await edit('prisma/schema.prisma', [
      '  ip                String?\n',
      '  color String @default("none")\n',
    ]);
    expect(await findTypeErrors()).toStrictEqual({
      files: ['src/groups/group-columns.ts', 'src/transfer/format.ts'],
      allNameField: true,
    });

    await edit(
      'schema.graphql',
      ['\n  ip: String\n', '  "The color of the plan in lists: 1 to 32 characters."\n  color: String!\n'],
      [
        '`null` removes it."\n  ip: String\n',
        '  "1 to 32 characters. Default: `\\"none\\"`."\n  color: String\n',
      ],
    );
    expect(await findTypeErrors()).toStrictEqual({
      files: ['src/groups/group.ts', 'src/transfer/format.ts'],
      allNameField: true,
    });

    await edit('src/groups/group.ts', [
      '  ip: nullableParser(parseIpAddress),\n',
      '  color: parseText({ min: 1, max: 32 }),\n',
    ]);
    expect(await findTypeErrors()).toStrictEqual({
      files: ['src/cli/groups/group-options.ts', 'src/transfer/format.ts'],
      allNameField: true,
    });

    await edit('src/cli/groups/group-options.ts', [
      "removes: 'the IP address' },\n",
      "  color: { type: 'text', help: 'color, 1 to 32 characters' },\n",
    ]);
    expect(await findTypeErrors()).toStrictEqual({ files: ['src/transfer/format.ts'], allNameField: true });

    await edit('src/transfer/format.ts', ["\n    'ip',\n", "    'color',\n"]);
    expect(await findTypeErrors()).toStrictEqual({ files: [], allNameField: true });

    expect(await run('node_modules/typescript/bin/tsc', '--project', 'tsconfig.build.json')).toMatchObject({
      code: 0,
    });
    const stale = await run('scripts/generate-docs.js', '--check');
    expect([stale.code, stale.output]).toStrictEqual([1, expect.stringContaining('docs/api.md')]);
    expect(await run('scripts/generate-docs.js')).toMatchObject({ code: 0 });
    expect(await run('scripts/generate-docs.js', '--check')).toMatchObject({ code: 0 });
    expect(await readFile(join(copy, 'docs/api.md'), 'utf8')).toContain('The color of the plan in lists');
  }, 300_000);

  test('a column without its migration is found by the test of the migrations', async () => {
    await rm(dirname(join(copy, migration)), { recursive: true });
    const { code, output } = await run(
      '--experimental-vm-modules',
      'node_modules/jest/bin/jest.js',
      'database/migrate',
      '-t',
      'produce the tables',
    );
    expect([code, output]).toStrictEqual([1, expect.stringContaining('groups.color text')]);
    await addMigration();
  });

  test('CONTRIBUTING.md names the files in this order', async () => {
    const text = await readFile(join(root, 'CONTRIBUTING.md'), 'utf8');
    const [, section] = /^## A new field of Group\n([^]*?)\n## /m.exec(text)!;
    const steps = [...section!.matchAll(/^\d+\. `([^`]+)`/gm)].map(([, path]) => path!);
    const pathOf = (step: string) => step.replace('<n>_<name>', '0999_group_color');
    expect(steps.slice(0, edited.length).map(pathOf)).toStrictEqual(edited);
  });
});

describe('the new field in the copy that these steps made', () => {
  let server: ServerProcess;
  let url: string;
  let oldId: number;
  let database: TestDatabase;
  beforeAll(async () => {
    database = await createTestDatabase();
    databases.push(database);
    // A group that the previous version has archived.
    const earlier = await openTestApp({}, { ...useTestDatabase(database.url), url: database.url });
    oldId = await earlier.createGroup({ name: 'Old' });
    await earlier.post('/deleteGroup', { id: oldId });
    await earlier.close();
    server = startServer(
      { DATABASE_URL: database.url, ADMIN_API_KEY: testKey, LOG_LEVEL: 'warn', HOST: '127.0.0.1' },
      [],
      [join(copy, 'dist/main.js')],
    );
    ({ url } = await server.ready);
  });
  afterAll(async () => {
    server.kill('SIGTERM');
    await server.exited;
  });

  const post = async (path: string, body: object): Promise<Json> => {
    const response = await fetch(url + path, {
      method: 'POST',
      headers: { 'X-APIKEY': testKey, 'Content-Type': 'application/json' },
      body: JSON.stringify(body),
    });
    return response.json();
  };
  const commandOn = async (databaseUrl: string, ...args: string[]) => {
    const { stdout } = await promisify(execFile)(process.execPath, [join(copy, 'dist/main.js'), ...args], {
      cwd: folder,
      env: { PATH: process.env['PATH'], DATABASE_URL: databaseUrl },
    });
    return stdout;
  };

  test('create, edit, delete, archive, audit and restore have the field, in the short form too; its rule applies', async () => {
    const create = (group: object) => post('/createGroup', { group: { ...plainGroup, ...group } });
    const created = await create({ color: 'red' });
    expect(created).toMatchObject({ data: { createGroup: { color: 'red' } } });
    expect(await create({})).toMatchObject({ data: { createGroup: { color: 'none' } } });
    expect(await create({ color: '' })).toMatchObject({
      errors: [{ extensions: { code: 'BAD_USER_INPUT', argument: 'group.color' } }],
    });
    const { id } = created.data.createGroup;
    const changed = await post('/editGroup', { id, group: { color: 'blue' } });
    expect(changed).toMatchObject({ data: { editGroup: { id, color: 'blue' } } });
    expect(await post('/group', { id })).toMatchObject({ data: { group: { color: 'blue' } } });
    expect(await post('/deleteGroup', { id })).toMatchObject({ data: { deleteGroup: { color: 'blue' } } });
    const query =
      '{ deletedGroups { nodes { id group { color } } } auditEvents(first: 1) { nodes { before } } }';
    const { data } = await post('/graphql', { query });
    expect(data.deletedGroups.nodes).toContainEqual({ id, group: { color: 'blue' } });
    expect(data.auditEvents.nodes).toMatchObject([{ before: { color: 'blue' } }]);
    expect(await post('/restoreGroup', { id })).toMatchObject({ data: { restoreGroup: { color: 'blue' } } });
  });

  test('a group that was archived before the column existed is restored with its default', async () => {
    const query = `{ deletedGroup(id: ${oldId}) { group { color } } }`;
    expect(await post('/graphql', { query })).toStrictEqual({
      data: { deletedGroup: { group: { color: 'none' } } },
    });
    expect(await post('/restoreGroup', { id: oldId })).toMatchObject({
      data: { restoreGroup: { id: oldId, color: 'none' } },
    });
  });

  test('an export has the field, live and deleted, and an import stores it; its rule applies', async () => {
    const ids: number[] = [];
    for (const color of ['green', 'grey']) {
      const { data } = await post('/createGroup', { group: { ...plainGroup, color } });
      ids.push(data.createGroup.id);
    }
    await post('/deleteGroup', { id: ids[1] });
    const text = await commandOn(database.url, 'groups', 'export');
    const file = join(folder, 'plans.ndjson');
    await writeFile(file, text);

    const other = await createTestDatabase();
    databases.push(other);
    await commandOn(other.url, 'migrate');
    await commandOn(other.url, 'groups', 'import', file);
    expect(await other.sql('SELECT color FROM groups WHERE id = $1', [ids[0]])).toStrictEqual([
      { color: 'green' },
    ]);
    expect(
      await other.sql("SELECT group_row ->> 'color' AS color FROM deleted_groups WHERE id = $1", [ids[1]]),
    ).toStrictEqual([{ color: 'grey' }]);

    await writeFile(file, text.replace('"color":"green"', '"color":""'));
    await expect(commandOn(other.url, 'groups', 'import', file)).rejects.toThrow('group.color');
  });

  test("introspection has the field, from which the explorer's documentation and completion come", async () => {
    const query = `{ type: __type(name: "Group") { fields { name description } } input: __type(name: "GroupEdit") { inputFields { name } } }`;
    const { data } = await post('/graphql', { query });
    expect(data.type.fields).toContainEqual({
      name: 'color',
      description: 'The color of the plan in lists: 1 to 32 characters.',
    });
    expect(data.input.inputFields).toContainEqual({ name: 'color' });
  });
});
