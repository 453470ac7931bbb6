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
/** Table rows without the formatter's padding. */
const rowsOf = (markdown: string) =>
  markdown.split('\n').map((line) => line.replace(/ +\|/g, ' |').replace(/\| +/g, '| '));

/** The anchors that GitHub generates for headings. */
const anchorsOf = (markdown: string) =>
  [...markdown.matchAll(/^#+ (.+)$/gm)].map(([, heading]) =>
    heading!
      .toLowerCase()
      .replaceAll(/[^\w -]/g, '')
      .replaceAll(' ', '-'),
  );

describe('README', () => {
  const readme = read('README.md');

  test('README has every setting of the code', () => {
    for (const row of rowsOf(describeSettings())) expect(rowsOf(readme)).toContain(row);
  });

  test('README has every error with its status, and no other', () => {
    const rows = [...readme.matchAll(/^\| `([A-Z_]+)` +\| (\d{3}) /gm)].map(([, code, status]) => [
      code,
      Number(status),
    ]);
    expect(Object.fromEntries(rows)).toStrictEqual(httpStatusByCode);
  });

  test("README's curl deletes the first sample group of a new server", async () => {
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

  test('README quotes the latest benchmark results', () => {
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
  ])('the links in %s have a target', (name) => {
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

  test('docs/clients.md shows the tested examples', () => {
    const names = readdirSync(join(root, 'test/clients'))
      .filter((name) => /\.[jt]s$/.test(name))
      .map((name) => `test/clients/${name}`);
    expect(examples.map(([name]) => name)).toEqual(expect.arrayContaining(names));
  });

  test.each(examples)('docs/clients.md has %s unchanged', (name, code) => {
    expect(code).toBe(read(name));
  });

  test('docs/clients.md has each error that the tests expect', () => {
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
  test('the Dockerfile passes its validator, and does not run as root', () => {
    expect(validate(read('Dockerfile'))).toStrictEqual([]);
    expect(read('Dockerfile')).toMatch(/^USER node$/m);
  });

  test('the files that the Dockerfile copies exist and are not ignored, or come from its build', () => {
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

  test('docker-compose.yml passes its linter', async () => {
    const bin = join(root, 'node_modules/.bin/dclint');
    const { stdout } = await promisify(execFile)(bin, ['--formatter', 'json', 'docker-compose.yml'], {
      cwd: root,
    });
    expect(JSON.parse(stdout)).toMatchObject([{ errorCount: 0 }]);
  });

  test('docker-compose.yml sets valid settings, and starts the server after a healthy database', () => {
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

describe('the direction of imports', () => {
  const files = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && !name.startsWith('generated'))
    .map((name) => ({ name, source: read(`src/${name}`) }));
  const importsOf = (source: string) =>
    [...source.matchAll(/^import (type )?[^;]*?from '([^']+)'|^\s*.*import\('([^']+)'\)/gm)].map(
      ([, type, from, dynamic]) => ({
        isType: type !== undefined,
        from: (from ?? dynamic)!,
      }),
    );

  /** A folder may import folders to its right, and folders of the same rank. Every folder may import files at the top level. */
  const order = [
    ['main', 'cli'],
    ['app', 'start-message', 'housekeeping'],
    ['autodialer'],
    ['http'],
    ['graphql'],
    ['transfer'],
    ['groups', 'service-groups', 'number-groups', 'subscribers', 'accounts', 'audit'],
    ['database'],
  ];
  const placeOf = (name: string) =>
    order.findIndex((rooms) => rooms.includes(name.split('/')[0]!.replace(/\.ts$/, '')));

  test.each(files.map(({ name, source }) => [name, source]))(
    '%s imports nothing above it',
    (name, source) => {
      for (const { from, isType } of importsOf(source)) {
        if (!from.startsWith('.')) continue;
        const target = join(dirname(name), from);
        if (isType || placeOf(target) === -1 || placeOf(name) === -1) continue;
        expect([target, placeOf(target) >= placeOf(name)]).toStrictEqual([target, true]);
      }
    },
  );

  test('Prisma, GraphQL and HTTP are imported in their own folders only', () => {
    const users = (pattern: RegExp) =>
      files
        .filter(({ source }) => importsOf(source).some(({ from, isType }) => !isType && pattern.test(from)))
        .map(({ name }) => name);
    for (const name of users(/generated\/prisma|^@prisma\//))
      expect(name).toMatch(/^database\/|-repository\.ts$|-statements?\.ts$|^groups\/group-deletion\.ts$/);
    for (const name of users(/^(graphql|@apollo\/.*|graphql-.*)$/)) expect(name).toMatch(/^(graphql|http)\//);
    for (const name of users(/^(node:http|fastify|@fastify\/.*)$/))
      expect(name).toMatch(/^(http|autodialer)\//);
    for (const name of users(/^pg$/)) expect(name).toMatch(/^database\//);
  });

  test('only main.ts, the command line and the embedded PostgreSQL use the process', () => {
    const touching = files
      .filter(({ source }) => /\bprocess\.(?!uptime|hrtime)/.test(source))
      .map(({ name }) => name);
    for (const name of touching)
      expect(name).toMatch(
        /^main\.ts$|^cli\/|^database\/(embedded-postgres|postgres-binaries|postmaster-lock|run-as)\.ts$/,
      );
  });
});
