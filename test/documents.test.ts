import { execFile } from 'node:child_process';
import { readFileSync, readdirSync, existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, test } from '@jest/globals';
import { validate } from 'dockerfile-utils';
import { parse as parseYaml } from 'yaml';
import { describeSettings, readConfig } from '../src/config/settings.ts';
import { httpStatusByCode } from '../src/errors.ts';
import { refusals } from './support/client-cases.ts';
import { startServer } from './support/server-process.ts';
import { testKey } from './support/test-app.ts';
import { createTestFolder } from './support/test-folder.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const read = (name: string) => readFileSync(join(root, name), 'utf8');
/** Table rows without the padding that the formatter gives them. */
const rowsOf = (markdown: string) =>
  markdown.split('\n').map((line) => line.replace(/ +\|/g, ' |').replace(/\| +/g, '| '));

/** What GitHub makes of the headings, for links to lead there. */
const anchorsOf = (markdown: string) =>
  [...markdown.matchAll(/^#+ (.+)$/gm)].map(([, heading]) =>
    heading!
      .toLowerCase()
      .replaceAll(/[^\w -]/g, '')
      .replaceAll(' ', '-'),
  );

describe('README', () => {
  const readme = read('README.md');

  test('has every setting, as the code has it', () => {
    for (const row of rowsOf(describeSettings())) expect(rowsOf(readme)).toContain(row);
  });

  test('has every error with the status that the code has, and no other', () => {
    const rows = [...readme.matchAll(/^\| `([A-Z_]+)` +\| (\d{3}) /gm)].map(([, code, status]) => [
      code,
      Number(status),
    ]);
    expect(Object.fromEntries(rows)).toStrictEqual(httpStatusByCode);
  });

  test('its curl deletes the first sample group of a new server', async () => {
    const server = startServer({ DATA_DIR: join(await createTestFolder(), 'data'), ADMIN_API_KEY: testKey });
    const { url } = await server.ready;
    const [line] = /^curl .*/m.exec(readme)!;
    const command = line.replace('http://127.0.0.1:4000', url);
    const { stdout } = await promisify(execFile)('sh', ['-c', command], {
      env: { ...process.env, ADMIN_API_KEY: testKey },
    });
    server.kill('SIGTERM');
    await server.exited;
    expect(JSON.parse(stdout).data.deleteGroup).toMatchObject({
      id: 1,
      name: 'Trial',
      tagName: 'trial',
      duration: 7,
      price: '0.00',
    });
  });

  test('says of its speed what the latest results have', () => {
    const names = readdirSync(join(root, 'bench/results')).filter((name) => /^[\d-]+\.md$/.test(name));
    const latest = names.toSorted().at(-1)!;
    expect(readme).toContain(`bench/results/${latest.replace('.md', '.svg')}`);
    expect(read('docs/performance.md')).toContain(`bench/results/${latest}`);
    const ratios = new Map(
      [...read(`bench/results/${latest}`).matchAll(/^\| throughput ÷ (.*?) \| ([\d.]+) \|/gm)].map(
        ([, other, ratio]) => [other, Number(ratio)] as const,
      ),
    );
    const tenths = (ratio: number) => Math.floor(ratio * 10) / 10;
    const [careful, statement, bare] = [
      'careful Apollo + Prisma',
      'Mercurius + JIT with our statement',
      'Mercurius + JIT bare',
    ].map((other) => ratios.get(other)!) as [number, number, number];
    expect(readme).toContain(`${Math.floor(careful)} times the deletes`);
    expect(readme).toContain(`${tenths(statement)} times those`);
    expect(readme).toContain(`faster (${tenths(1 / bare)} times)`);
  });

  test.each([
    'README.md',
    'CONTRIBUTING.md',
    'DECISIONS.md',
    'SECURITY.md',
    'docs/api.md',
    'docs/clients.md',
    'docs/coming-from.md',
    'docs/operations.md',
    'docs/autodialer.md',
    'docs/explorer.md',
    'docs/performance.md',
  ])('the links in %s lead somewhere', (name) => {
    for (const [, target = '', anchor] of read(name).matchAll(/\]\((?!https?:)([^)#]*)(?:#([^)]+))?\)/g)) {
      const file = target === '' ? name : join(dirname(name), target);
      expect([file, existsSync(join(root, file))]).toStrictEqual([file, true]);
      if (anchor) expect(anchorsOf(read(file))).toContain(anchor);
    }
  });
});

describe('docs/clients.md', () => {
  const page = read('docs/clients.md');
  const examples = [...page.matchAll(/^<!-- file: (\S+) -->\n\n```\w+\n([^]*?)```\n\n<!-- end -->$/gm)].map(
    ([, name, code]) => [name!, code!] as const,
  );

  test('shows the examples that the tests run', () => {
    const names = readdirSync(join(root, 'test/clients'))
      .filter((name) => /\.[jt]s$/.test(name))
      .map((name) => `test/clients/${name}`);
    expect(examples.map(([name]) => name)).toEqual(expect.arrayContaining(names));
  });

  test.each(examples)('has %s as it is', (name, code) => {
    expect(code).toBe(read(name));
  });

  test('says of each refusal what the tests expect', () => {
    const rows = refusals.map(
      ({ what, statuses, extensions }) =>
        `| ${what} | ${statuses.join(' | ')} | \`${JSON.stringify(extensions)}\` |`,
    );
    const shown = rowsOf(page);
    for (const row of rows) expect(shown).toContain(row);
  });
});

test('every dependency has its reason in DECISIONS.md', () => {
  const { dependencies, devDependencies } = JSON.parse(read('package.json'));
  const decisions = read('DECISIONS.md');
  for (const name of Object.keys({ ...dependencies, ...devDependencies })) {
    const family = name.startsWith('@graphql-codegen/') ? '@graphql-codegen/*' : name;
    if (!name.startsWith('@types/')) expect(decisions).toContain(`\`${family}\``);
  }
});

describe('container files', () => {
  test('the Dockerfile has no fault that its validator knows, and does not run as root', () => {
    expect(validate(read('Dockerfile'))).toStrictEqual([]);
    expect(read('Dockerfile')).toMatch(/^USER node$/m);
  });

  test('what the Dockerfile copies from here is there and not ignored, and from the build is made by it', () => {
    const kept = read('.dockerignore')
      .split('\n')
      .filter((line) => line.startsWith('!'))
      .map((line) => line.slice(1));
    for (const name of kept) expect(existsSync(join(root, name))).toBe(true);

    const copies = [...read('Dockerfile').matchAll(/^COPY (--from=build )?(.+) \S+$/gm)];
    const sources = copies.flatMap(([, fromBuild, names]) =>
      names!.split(' ').map((name) => (fromBuild ? name.replace('/app/', '') : name)),
    );
    expect(sources).toEqual(
      expect.arrayContaining(['package.json', 'dist', 'node_modules', 'schema.graphql']),
    );
    for (const name of sources) expect([name, existsSync(join(root, name))]).toStrictEqual([name, true]);
    for (const name of ['package-lock.json', 'tsconfig.build.json', 'scripts', 'prisma', 'src'])
      expect(kept).toContain(name);
  });

  test('docker-compose.yml has no fault that its linter knows', async () => {
    const bin = join(root, 'node_modules/.bin/dclint');
    const { stdout } = await promisify(execFile)(bin, ['--formatter', 'json', 'docker-compose.yml'], {
      cwd: root,
    });
    expect(JSON.parse(stdout)).toMatchObject([{ errorCount: 0 }]);
  });

  test('docker-compose.yml gives the server settings that it takes, after a healthy database', () => {
    const { services, volumes } = parseYaml(read('docker-compose.yml'));
    const { environment, depends_on } = services.api;
    expect(() => readConfig({ ...environment, ADMIN_API_KEY: testKey }, false)).not.toThrow();
    expect(environment.ADMIN_API_KEY).toMatch(/^\$\{ADMIN_API_KEY:\?/);
    expect(depends_on.postgres.condition).toBe('service_healthy');
    expect(services.postgres.image).toBe('postgres:18');
    expect(Object.keys(volumes)).toStrictEqual(
      services.postgres.volumes.map((each: string) => each.split(':')[0]),
    );
  });
});
