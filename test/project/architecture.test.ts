import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from '@jest/globals';

// The modules of src and the direction of their imports: all of them, those of types and of top-level files too.

const root = fileURLToPath(new URL('../..', import.meta.url));

/** From top to bottom. A module imports those below it; modules on one line do not import each other. */
const order = [
  ['main'],
  ['cli'],
  ['serve', 'doctor'],
  ['workers'],
  ['app'],
  ['observability'],
  ['radius'],
  ['autodialer', 'events'],
  ['http'],
  ['graphql'],
  ['jobs', 'transfer', 'backup'],
  ['repositories'],
  ['group-deletion'],
  ['subscribers'],
  ['groups'],
  ['service-groups', 'accounts'],
  ['deliveries'],
  ['mutations'],
  ['database'],
  ['embedded-postgres'],
  ['config'],
  ['postgres', 'validation'],
  ['process', 'measurements'],
  ['errors', 'log'],
];

type SourceFile = { readonly name: string; readonly source: string };

/** The files that a file imports, statically, dynamically, or for their types. */
function importsOf({ name, source }: SourceFile): string[] {
  return [...source.matchAll(/\bfrom '(\.[^']+)'|\bimport\('(\.[^']+)'\)|^import '(\.[^']+)'/gm)]
    .map(([, from, dynamic, effect]) => join(dirname(name), (from ?? dynamic ?? effect)!))
    .filter((target) => !target.startsWith('generated'));
}

const moduleOf = (name: string) => name.split('/')[0]!.replace(/\.ts$/, '');
const placeOf = (name: string) => order.findIndex((modules) => modules.includes(moduleOf(name)));

/** Imports that lead upwards, or to another module on the same line. */
function findUpwardImports(files: readonly SourceFile[]): string[] {
  return files.flatMap((file) =>
    importsOf(file)
      .filter((target) => moduleOf(target) !== moduleOf(file.name) && placeOf(target) <= placeOf(file.name))
      .map((target) => `${file.name} imports ${target}`),
  );
}

/** Chains of files that import each other in a circle: each by one of its files that comes back to itself. */
function findCycles(files: readonly SourceFile[]): string[][] {
  const imports = new Map(files.map((file) => [file.name, importsOf(file)]));
  const finished = new Set<string>();
  const cycles: string[][] = [];
  const visit = (name: string, path: readonly string[]) => {
    const start = path.indexOf(name);
    if (start !== -1) cycles.push([...path.slice(start), name]);
    if (start !== -1 || finished.has(name)) return;
    for (const target of imports.get(name) ?? []) visit(target, [...path, name]);
    finished.add(name);
  };
  for (const { name } of files) visit(name, []);
  return cycles;
}

const files: readonly SourceFile[] = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts') && !name.startsWith('generated'))
  .map((name) => ({ name, source: readFileSync(join(root, 'src', name), 'utf8') }));

test('each module has its place, and the top level has the program only', () => {
  expect(files.filter(({ name }) => placeOf(name) === -1)).toStrictEqual([]);
  const topLevel = files.filter(({ name }) => !name.includes('/')).map(({ name }) => name);
  expect(topLevel.toSorted()).toStrictEqual([
    'app.ts',
    'errors.ts',
    'log.ts',
    'main.ts',
    'repositories.ts',
    'serve.ts',
  ]);
});

/** Exports that only the file itself uses, with the reason. */
const unusedExports: ReadonlyMap<string, string> = new Map([
  ['GroupDisagreements', 'the compiler checks it, and reports an unused type without export'],
  ['UnexportedGroupColumns', 'the compiler checks it, and reports an unused type without export'],
]);

/** All of them but this one, which names the exceptions. */
const users = ['src', 'explorer', 'test', 'scripts', 'bench'].flatMap((folder) =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter(
      (name) =>
        /\.(tsx?|js)$/.test(name) &&
        !/(^|\/)(generated|node_modules)\/|^project\/architecture\.test/.test(name),
    )
    .map((name) => ({ name: `${folder}/${name}`, source: readFileSync(join(root, folder, name), 'utf8') })),
);

/** Finds exports of src and the explorer whose names no other file contains. */
function findUnusedExports(sources: readonly SourceFile[]): string[] {
  const words = sources.map(({ name, source }) => ({ name, words: new Set(source.match(/\w+/g)) }));
  return sources
    .filter(({ name }) => /^(src|explorer)\//.test(name))
    .flatMap(({ name, source }) =>
      [...source.matchAll(/^export (?:async )?(?:const|type|class|function\*?) (\w+)/gm)]
        .map(([, exported]) => exported!)
        .filter((exported) => !words.some((other) => other.name !== name && other.words.has(exported)))
        .map((exported) => `${name} exports ${exported}`),
    );
}

test('each export is used by another file, or has a reason', () => {
  const isExcepted = (line: string) => unusedExports.has(line.split(' ').at(-1)!);
  expect(findUnusedExports(users).filter((line) => !isExcepted(line))).toStrictEqual([]);
  const planted = {
    name: 'src/groups/planted.ts',
    source: '\nexport const plantedLimit = 1;\nexport type Group = {};\n',
  };
  expect(findUnusedExports([...users, planted])).toContain('src/groups/planted.ts exports plantedLimit');
  expect(findUnusedExports([...users, planted])).not.toContain('src/groups/planted.ts exports Group');
});

test('no import leads upwards, and no file imports itself by way of others', () => {
  expect(findUpwardImports(files)).toStrictEqual([]);
  expect(findCycles(files)).toStrictEqual([]);
});

test('removing the autodialer is its folder, its command, and two lines of app.ts, which import it on demand', () => {
  const { source } = files.find(({ name }) => name === 'app.ts')!;
  const lines = source
    .split('\n')
    .filter((line) => /autodialer/i.test(line) && !/^ *(\/\/|\/?\*)/.test(line));
  expect(lines).toHaveLength(2);
  for (const line of lines) expect(line).toMatch(/\bimport\('\.\/autodialer\//);

  const importers = files.filter(
    (file) =>
      moduleOf(file.name) !== 'autodialer' &&
      importsOf(file).some((target) => moduleOf(target) === 'autodialer'),
  );
  expect(importers.map(({ name }) => name).toSorted()).toStrictEqual(['app.ts', 'cli/number-groups.ts']);
});

test('removing the events is their folder, their commands, and statements of app.ts, which import them on demand', () => {
  const importers = files.filter(
    (file) =>
      moduleOf(file.name) !== 'events' && importsOf(file).some((target) => moduleOf(target) === 'events'),
  );
  const others = importers
    .map(({ name }) => name)
    .filter((name) => !/^(cli\/(webhooks|radius)|radius)\//.test(name));
  expect(others.toSorted()).toStrictEqual(['app.ts', 'cli/events.ts']);
  const { source } = files.find(({ name }) => name === 'app.ts')!;
  expect(source.match(/import\('\.\/events\/[^']*'\)/g)).toHaveLength(3);
  expect(source).not.toMatch(/^import .*\.\/events\//m);
});

test('removing the metrics is their folder, that of the workers, and statements of app.ts and the workers, on demand', () => {
  const importers = files.filter(
    (file) =>
      moduleOf(file.name) !== 'observability' &&
      importsOf(file).some((target) => target.startsWith('observability/metrics/')),
  );
  expect(importers.map(({ name }) => name).toSorted()).toStrictEqual([
    'app.ts',
    'workers/messages.ts',
    'workers/metrics.ts',
  ]);
  for (const name of ['app.ts', 'workers/messages.ts', 'workers/primary.ts', 'workers/worker.ts']) {
    const { source } = files.find((file) => file.name === name)!;
    // Without METRICS_PORT none of it is loaded: only types are imported statically.
    expect([name, /^import (?!type).*(?:observability\/|\.\/metrics\.ts)/m.test(source)]).toStrictEqual([
      name,
      false,
    ]);
  }
});

test('removing RADIUS is its folder, its commands and a check of doctor, and two imports of app.ts, on demand', () => {
  const importers = files.filter(
    (file) =>
      moduleOf(file.name) !== 'radius' && importsOf(file).some((target) => moduleOf(target) === 'radius'),
  );
  const others = importers.map(({ name }) => name).filter((name) => !name.startsWith('cli/radius/'));
  expect(others.toSorted()).toStrictEqual(['app.ts', 'doctor/check-accounting.ts']);
  const { source } = files.find(({ name }) => name === 'app.ts')!;
  expect(source.match(/import\('\.\/radius\/[^']*'\)/g)).toHaveLength(2);
  expect(source).not.toMatch(/^import .*\.\/radius\//m);
});

test.each([
  ['an upward import', `import { openApp } from '../app.ts';`],
  ['an upward import of a type', `import type { Context } from '../graphql/context.ts';`],
  ['an upward import at the end of a line of several', `import { a,\n  b } from '../http/server.ts';`],
  ['a dynamic upward import', `await import('../cli/output.ts');`],
  ['an import of a module on the same line', `import { sampleGroups } from '../jobs/purge-expired.ts';`],
])('%s is found', (_, source) => {
  expect(findUpwardImports([...files, { name: 'transfer/planted.ts', source }])).toHaveLength(1);
});

test('a cycle of types is found', () => {
  const planted = [
    { name: 'groups/one.ts', source: `import type { Two } from './two.ts';` },
    { name: 'groups/two.ts', source: `import type { One } from './one.ts';` },
  ];
  expect(findCycles([...files, ...planted])).toStrictEqual([
    ['groups/one.ts', 'groups/two.ts', 'groups/one.ts'],
  ]);
});

test('each arrow of the picture in ARCHITECTURE.md is an import', () => {
  const [, picture] = /```mermaid\n([^]*?)```/.exec(readFileSync(join(root, 'ARCHITECTURE.md'), 'utf8'))!;
  const moduleById = new Map(
    [...picture!.matchAll(/(\w+)\["([a-z-]+)/g)].map(([, id, name]) => [id!, name!]),
  );
  const arrows = [...picture!.matchAll(/^ +(\w+)(?:\[.*?\])? --> (\w+)/gm)].map(
    ([, from, to]) => `${moduleById.get(from!)} imports ${moduleById.get(to!)}`,
  );
  const imports = files.flatMap((file) =>
    importsOf(file).map((target) => `${moduleOf(file.name)} imports ${moduleOf(target)}`),
  );
  expect(arrows.filter((arrow) => !imports.includes(arrow))).toStrictEqual([]);
  expect([...moduleById.values()].toSorted()).toStrictEqual(order.flat().toSorted());
});

describe('libraries', () => {
  const usersOf = (pattern: RegExp) =>
    files
      .filter(({ source }) =>
        [...source.matchAll(/^import (type )?[^;]*?from '([^']+)'/gm)].some(
          ([, type, from]) => type === undefined && pattern.test(from!),
        ),
      )
      .map(({ name }) => name);

  test('Prisma, GraphQL, HTTP and pg stay in their modules', () => {
    for (const name of usersOf(/generated\/prisma|^@prisma\//))
      expect(name).toMatch(
        /^(database|doctor)\/|-repository\.ts$|-statements?\.ts$|\/archive\.ts$|^mutations\/audit-log\.ts$|^jobs\/month-partitions\.ts$|^group-deletion\/group-commit\.ts$/,
      );
    for (const name of usersOf(/^(graphql|@apollo\/.*|graphql-.*)$/))
      expect(name).toMatch(/^(graphql|http|events)\//);
    for (const name of usersOf(/^(node:http|fastify|@fastify\/.*)$/))
      expect(name).toMatch(/^(http|autodialer|events|observability)\//);
    for (const name of usersOf(/^pg(-copy-streams)?$/)) expect(name).toMatch(/^(postgres|database|backup)\//);
  });

  test('only serve.ts, the command line, what listens to signals, measures the process or starts the embedded PostgreSQL touches the process', () => {
    const touching = files
      .filter(({ source }) => /\bprocess\.(?!uptime|hrtime)/.test(source))
      .map(({ name }) => name);
    for (const name of touching)
      expect(name).toMatch(
        /^(main|serve)\.ts$|^(cli|process|workers)\/|^embedded-postgres\/(cluster|create-cluster|binaries|postmaster-lock|service-user)\.ts$|^observability\/metrics\/process-metrics\.ts$/,
      );
  });
});

test('only mutations/audit-log.ts inserts audit events', () => {
  const writers = files
    .filter(({ source }) => /INSERT INTO audit_events|auditEvent\.create/.test(source))
    .map(({ name }) => name);
  expect(writers).toStrictEqual(['mutations/audit-log.ts']);
});
