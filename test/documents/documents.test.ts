import { execFile } from 'node:child_process';
import { readFileSync, readdirSync, existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, test } from '@jest/globals';
import { describeSettings } from '../../src/config/settings.ts';
import { errorTable } from '../../src/errors.ts';
import { rejections } from '../support/client-cases.ts';
import { createCommandLine, listCommands } from '../support/command-line.ts';
import { startServer } from '../support/server-process.ts';
import { createTestFolder } from '../support/test-folder.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const read = (name: string) => readFileSync(join(root, name), 'utf8');
/** Returns table rows without the formatter's padding. */
const rowsOf = (markdown: string) =>
  markdown.split('\n').map((line) => line.replace(/ +\|/g, ' |').replace(/\| +/g, '| '));

/** Returns the anchors that GitHub generates for headings. */
const anchorsOf = (markdown: string) =>
  [...markdown.matchAll(/^#+ (.+)$/gm)].map(([, heading]) =>
    heading!
      .toLowerCase()
      .replaceAll(/[^\w -]/g, '')
      .replaceAll(' ', '-'),
  );

/** Every document of the project, by its path. */
const documentNames = ['', 'docs', 'docs/decisions'].flatMap((folder) =>
  readdirSync(join(root, folder))
    .filter((name) => name.endsWith('.md'))
    .map((name) => join(folder, name)),
);

describe('README', () => {
  const readme = read('README.md');

  test('the calls of README, docs/retries.md and docs/api.md, run as printed, return what is described', async () => {
    const folder = await createTestFolder();
    const run = (command: string) => promisify(execFile)('sh', ['-c', command], { cwd: folder });
    const [writeKey, readKey, call] = [/^echo .*/m, /^\. \.\/\.env$/m, /^curl .*/m].map(
      (pattern) => pattern.exec(readme)![0],
    ) as [string, string, string];
    await run(writeKey);
    const [, key] = /^ADMIN_API_KEY=(\S+)\n$/.exec(await readFile(join(folder, '.env'), 'utf8'))!;
    const server = startServer({ DATA_DIR: join(folder, 'data'), ADMIN_API_KEY: key! });
    const { url } = await server.ready;
    const send = async (curl: string) =>
      (await run(`${readKey}; ${curl.replace('http://127.0.0.1:4000', url)}`)).stdout;
    const stdout = await send(call);
    const [impactCall, retriedCall] = ['docs/api.md', 'docs/retries.md'].map(
      (name) => /^curl .*/m.exec(read(name))![0],
    ) as [string, string];
    const impact = await send(impactCall);
    const retried = [await send(retriedCall), await send(retriedCall)].map((response) => ({
      data: JSON.parse(response.slice(response.indexOf('\r\n\r\n'))).data,
      isReplayed: /^idempotency-replayed: true\r$/im.test(response),
    }));
    server.kill('SIGTERM');
    await server.exited;
    expect(JSON.parse(stdout).data.deleteGroup).toMatchObject({
      id: 1,
      name: 'Trial',
      tagName: 'trial',
      duration: 7,
      price: '0.00',
    });
    expect(JSON.parse(impact).data.groupDeletionImpact).toMatchObject({ group: { id: 2 }, blockers: [] });
    const deleteGroup = expect.objectContaining({ id: 3, name: 'One year' });
    expect(retried).toStrictEqual([
      { data: { deleteGroup }, isReplayed: false },
      { data: { deleteGroup }, isReplayed: true },
    ]);
  }, 90_000);

  test('README has at most 120 lines', () => {
    expect(readme.split('\n').length).toBeLessThanOrEqual(120);
  });
});

test('docs/settings.md has every setting', () => {
  expect(rowsOf(read('docs/settings.md'))).toEqual(expect.arrayContaining(rowsOf(describeSettings())));
});

test('docs/errors.md has every error with its status and meaning, and no other', () => {
  const rows = [
    ...read('docs/errors.md').matchAll(/^\| `([A-Z_]+)` +\| (\d{3}) +\| (.*?) +\| (.*?) +\|$/gm),
  ].map(([, code, status, meaning, retry]) => [code, { status: Number(status), meaning, retry }]);
  expect(Object.fromEntries(rows)).toStrictEqual(errorTable);
});

test('docs/retries.md names every code after which a client may retry, and no other among them', () => {
  const [, table] = /^## When to retry\n([^]*?)\nThe column/m.exec(read('docs/retries.md'))!;
  const rows = rowsOf(table!).filter((row) => row.includes('retry') && !row.includes('do not retry'));
  const named = rows.flatMap((row) => /^\| `([A-Z_]+)` \|/.exec(row)?.[1] ?? []);
  const retryable = Object.entries(errorTable).filter(([, { retry }]) => retry.startsWith('yes'));
  expect(new Set(named)).toStrictEqual(new Set(retryable.map(([code]) => code)));
});

test('docs/accounts.md has a row for each command of the program, and for no other', async () => {
  const [, table] = /^## Commands\n([^]*?)\nExit codes: /m.exec(read('docs/accounts.md'))!;
  const rows = [...table!.matchAll(/^\| ((?:`[^`]+`(?:, )?)+) +\|/gm)].map(([, names]) => names!);
  const listed = rows.flatMap((names) =>
    [...names.matchAll(/`([a-z- ]+?)(?: [<[].*?)?`/g)].map(([, name]) => name!),
  );
  const { run } = createCommandLine(() => ({ url: 'postgresql://127.0.0.1:1/none' }));
  expect(listed.toSorted()).toStrictEqual((await listCommands(run)).toSorted());
});

test('the speed ratios in the documents are those of the benchmark results that they name', () => {
  const page = read('docs/performance.md');
  const [, name] = /\(\.\.\/bench\/results\/([\w-]+)\.md\)/.exec(page)!;
  expect(page).toContain(`(../bench/results/${name}.svg)`);
  const ratios = new Map(
    [...read(`bench/results/${name}.md`).matchAll(/^\| throughput ÷ (.*?) \| ([\d.]+) \|/gm)].map(
      ([, other, ratio]) => [other, Number(ratio)] as const,
    ),
  );
  const tenths = (ratio: number) => Math.floor(ratio * 10) / 10;
  const [careful, statement, bare] = [
    'careful Apollo + Prisma',
    'Mercurius + JIT with our statement',
    'Mercurius + JIT bare',
  ].map((other) => ratios.get(other)!) as [number, number, number];
  expect(read('README.md')).toContain(`${Math.floor(careful)} times the deletes`);
  expect(page).toContain(`${Math.floor(careful)} times the deletes`);
  expect(page).toContain(`${tenths(statement)} times those`);
  expect(page).toContain(
    bare < 1
      ? `faster (${tenths(1 / bare)} times) if it deletes and does nothing else`
      : `${tenths(bare)} times those of the fastest server that deletes and does nothing else`,
  );
});

test.each(documentNames)('every link in %s has a target', (name) => {
  const links = read(name).matchAll(
    /\]\((?!https?:)([^)#]*)(?:#([^)]+))?\)|(?:src|srcset)="(?!https?:)([^"]+)"/g,
  );
  for (const [, target = '', anchor, image] of links) {
    const file = image ?? (target === '' ? name : join(dirname(name), target));
    expect([file, existsSync(join(root, file))]).toStrictEqual([file, true]);
    if (anchor) expect(anchorsOf(read(file))).toContain(anchor);
  }
});

describe('how documents and messages call the command', () => {
  /** Decisions and comments say which process starts which, and the changelog what has changed. */
  const texts = [...documentNames, 'src/serve.ts', 'explorer/api.ts', '.env.example'].filter(
    (name) => !name.startsWith('docs/decisions/') && name !== 'CHANGELOG.md',
  );

  test.each(texts)(
    '%s calls npx with --no-install, so that no other package of this name can run',
    (name) => {
      const calls = [...read(name).matchAll(/npx (?:-\S+ )*group-api\b/g)].map(([call]) => call);
      const expected = 'npx --no-install group-api';
      expect(calls.filter((call) => call !== expected)).toStrictEqual([]);
    },
  );

  test('npx --no-install group-api runs this version in the folder of the installation', async () => {
    const { stdout } = await promisify(execFile)('npx', ['--no-install', 'group-api', '--version'], {
      cwd: root,
      // The first npx in a clone would run its `prepare`: a build, while other tests use the files.
      env: { ...process.env, npm_config_ignore_scripts: 'true' },
    });
    expect(stdout).toBe(`${JSON.parse(read('package.json')).version}\n`);
  });

  test('every command of the documents exists', async () => {
    const commands = texts.flatMap((name) =>
      [...read(name).matchAll(/npx --no-install group-api ((?:[a-z][a-z-]* ?)+)/g)].map(([, words]) =>
        words!.trim(),
      ),
    );
    expect(commands.length).toBeGreaterThan(8);
    const { run } = createCommandLine(() => ({ url: '' }));
    for (const command of new Set(commands)) {
      // Commands first, then arguments, such as the name of an account: --help ignores these.
      const { code, stdout } = await run(...command.split(' '), '--help');
      expect([command, code, stdout]).toStrictEqual([
        command,
        0,
        expect.stringContaining('Usage: group-api '),
      ]);
    }
  });
});

describe('decisions', () => {
  const names = readdirSync(join(root, 'docs/decisions')).filter((name) => /^\d{4}-/.test(name));

  test('decisions are numbered without a gap, and the index has each with its title', () => {
    const numbers = names.map((name) => Number(name.slice(0, 4)));
    expect(numbers).toStrictEqual(names.map((_name, index) => index + 1));
    const index = read('docs/decisions/README.md');
    for (const name of names) {
      const [, title] = /^# \d+\. (.+)$/m.exec(read(`docs/decisions/${name}`))!;
      expect(index).toContain(`[${title}](${name})`);
    }
  });

  test.each(names)('the decision %s has a status, a date, a context, a decision and its price', (name) => {
    const text = read(`docs/decisions/${name}`);
    expect(text).toMatch(
      /^# \d+\. .+\n\nStatus: (accepted|superseded by \[.+\]\(.+\)) · Date: \d{4}-\d\d-\d\d\n/,
    );
    for (const part of ['Context', 'Decision', 'Price']) expect(text).toContain(`\n**${part}.** `);
  });
});

test('ARCHITECTURE.md lists exactly the files that a delete runs', async () => {
  const [, table] = /^## The path of a `deleteGroup`\n([^]*?)\n\nThe limits/m.exec(read('ARCHITECTURE.md'))!;
  const listed = [...table!.matchAll(/\]\(src\/([^)]+)\)/g)].map(([, name]) => name!);
  const { stdout } = await promisify(execFile)(process.execPath, ['scripts/trace-delete.js'], { cwd: root });
  expect(new Set(listed)).toStrictEqual(new Set(stdout.trim().split('\n')));
  expect(listed).toHaveLength(new Set(listed).size);
}, 90_000);

test('docs/webhooks.md has the receivers that the tests run', () => {
  const page = read('docs/webhooks.md');
  const folder = 'test/clients/webhook-receivers';
  for (const name of readdirSync(join(root, folder)))
    expect(page).toContain(read(`${folder}/${name}`).trim());
});

describe('docs/clients.md', () => {
  const page = read('docs/clients.md');
  const examples = [...page.matchAll(/^<!-- file: (\S+) -->\n\n```\w+\n([^]*?)```\n\n<!-- end -->$/gm)].map(
    ([, name, code]) => [name!, code!] as const,
  );

  test('docs/clients.md has the examples that the tests run', () => {
    const names = readdirSync(join(root, 'test/clients'))
      .filter((name) => /(?<!\.test)\.[jt]s$/.test(name))
      .map((name) => `test/clients/${name}`);
    expect(examples.map(([name]) => name)).toEqual(expect.arrayContaining(names));
  });

  test.each(examples)('docs/clients.md has the current text of %s', (name, code) => {
    expect(code).toBe(read(name));
  });

  test('docs/clients.md has each error response that the tests expect', () => {
    const rows = rejections.map(
      ({ what, statuses, extensions }) =>
        `| ${what} | ${statuses.join(' | ')} | \`${JSON.stringify(extensions)}\` |`,
    );
    const shown = rowsOf(page);
    for (const row of rows) expect(shown).toContain(row);
  });
});

test('every dependency has a line with its reason in docs/dependencies.md, and there is no line without one', () => {
  const { dependencies, devDependencies } = JSON.parse(read('package.json'));
  const names = [...Object.keys(dependencies), ...Object.keys(devDependencies)];
  const listed = [...read('docs/dependencies.md').matchAll(/^\| `([^`]+)` +\| \S/gm)].map(([, name]) => name);
  const needed = names.filter((name) => !name.startsWith('@types/'));
  expect(listed).toHaveLength(new Set(listed).size);
  expect(new Set(listed)).toStrictEqual(new Set(needed));
});
