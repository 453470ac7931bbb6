import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile, stat, symlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { beforeAll, expect, test } from '@jest/globals';
import { useTestFolder } from '../support/test-folder.ts';

// The result of `npm pack` in an empty folder, with production dependencies only.

const root = fileURLToPath(new URL('../..', import.meta.url));
const run = promisify(execFile);
const dir = useTestFolder();
let files: string[];

beforeAll(async () => {
  const { stdout } = await run('npm', ['pack', '--ignore-scripts', '--json', '--pack-destination', dir], {
    cwd: root,
  });
  const [report] = Object.values(JSON.parse(stdout)) as [{ filename: string; files: { path: string }[] }];
  files = report.files.map(({ path }) => path);
  await run('tar', ['-xzf', report.filename], { cwd: dir });
  await linkDependencies(join(dir, 'package/node_modules'));
});

/** Links the packages that npm installs without development dependencies. */
async function linkDependencies(target: string): Promise<void> {
  const { packages } = JSON.parse(await readFile(join(root, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, { dev?: boolean; devOptional?: boolean }>;
  };
  // Nested packages are in the folder of their parent.
  const names = Object.entries(packages)
    .filter(([path, { dev }]) => /^node_modules\/(@[^/]+\/)?[^/]+$/.test(path) && !dev)
    .map(([path]) => path.slice('node_modules/'.length));
  for (const name of names) {
    await mkdir(dirname(join(target, name)), { recursive: true });
    await symlink(join(root, 'node_modules', name), join(target, name));
  }
}

test('the npm package contains what its users need, and no development files', () => {
  expect(files).toEqual(
    expect.arrayContaining([
      'dist/main.js',
      'dist/explorer/index.html',
      'dist/explorer/main.js.gz',
      'prisma/migrations/0001_groups/migration.sql',
      'schema.graphql',
      'README.md',
      'LICENSE',
      'CHANGELOG.md',
      'docs/operations.md',
    ]),
  );
  const places = new Set(files.map((path) => path.split('/')[0]!));
  expect([...places].toSorted()).toStrictEqual(
    [
      'CHANGELOG.md',
      'LICENSE',
      'README.md',
      'SECURITY.md',
      'deploy',
      'dist',
      'docs',
      'package.json',
      'prisma',
      'schema.graphql',
    ].toSorted(),
  );
  expect(files.filter((path) => /\.test\.|\.tsx?$|\.map$/.test(path))).toStrictEqual([]);
});

test('the npm package has a complete package.json', async () => {
  const description = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'));
  expect(description).toMatchObject({
    license: 'MIT',
    engines: { node: '^20.19 || ^22.12 || >=24' },
    bin: { 'group-api': 'dist/main.js' },
  });
  for (const path of Object.values<string>(description.exports))
    expect(files).toContain(path.slice('./'.length));
});

test('the command is executable in the build, too', async () => {
  const { mode } = await stat(join(root, 'dist/main.js'));
  expect(mode & 0o111).toBe(0o111);
});

test('the npm package runs in an empty folder with its dependencies only, and says what traces need', async () => {
  const bin = join(dir, 'package/dist/main.js');
  const cwd = join(dir, 'empty');
  await mkdir(cwd);
  const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'));
  const { stdout } = await run(process.execPath, [bin, '--version'], { cwd });
  expect(stdout).toBe(`${version}\n`);

  const server = spawn(process.execPath, [bin, 'serve'], {
    cwd,
    env: {
      PATH: process.env['PATH'],
      PORT: '0',
      DATA_DIR: join(dir, 'data'),
      // Its packages are optional peer dependencies.
      OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:4318',
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let log = '';
  server.stderr.on('data', (chunk: Buffer) => (log += chunk.toString()));
  let text = '';
  const key = await new Promise<string>((resolve, reject) => {
    server.stdout.on('data', (chunk: Buffer) => {
      text += chunk.toString();
      const match = /Key +(\S+)/.exec(text);
      if (match && text.includes('curl ')) resolve(match[1]!);
    });
    server.on('exit', () => reject(new Error('it ended before it was ready')));
  });
  const [, url] = /GraphQL +(http\S+)\/graphql/.exec(text)!;
  expect((await fetch(`${url}/explorer/main.js`)).status).toBe(200);
  const deleted = await fetch(`${url}/deleteGroup`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', 'X-APIKEY': key },
    body: '{"id":1}',
  });
  expect(await deleted.json()).toMatchObject({ data: { deleteGroup: { id: 1, name: 'Trial' } } });
  server.kill('SIGTERM');
  expect(await once(server, 'close')).toStrictEqual([0, null]);

  const { peerDependencies, peerDependenciesMeta } = JSON.parse(
    await readFile(join(root, 'package.json'), 'utf8'),
  ) as { peerDependencies: Record<string, string>; peerDependenciesMeta: Record<string, object> };
  expect(log).toContain('Traces are off, since packages are missing');
  const [, command = ''] = /npm install ([^"]+)/.exec(log) ?? [];
  expect(command.split(' ').toSorted()).toStrictEqual(
    Object.entries(peerDependencies).map(([name, range]) => `${name}@${range}`),
  );
  for (const name of Object.keys(peerDependencies))
    expect([name, peerDependenciesMeta[name]]).toStrictEqual([name, { optional: true }]);
});
