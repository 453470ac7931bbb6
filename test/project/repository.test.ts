import { execFile } from 'node:child_process';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, test } from '@jest/globals';
import { parse as parseYaml } from 'yaml';
import { parseEnvFile } from '../../src/config/env-file.ts';
import { readConfig } from '../../src/config/load-config.ts';
import { settings } from '../../src/config/settings.ts';
import { reliabilityFiles } from '../support/reliability-files.js';
import { createTestFolder } from '../support/test-folder.ts';

// The files around the code: workflows, templates, and the settings of tools.
const root = fileURLToPath(new URL('../..', import.meta.url));
const read = (name: string) => readFileSync(join(root, name), 'utf8');
const packageJson = JSON.parse(read('package.json'));

type Step = { uses?: string; run?: string; env?: Record<string, string> };
type Job = {
  needs?: string | string[];
  uses?: string;
  steps?: Step[];
  strategy?: { matrix: Record<string, number[]> };
  container?: { image: string };
  services?: Record<string, { image: string }>;
  permissions?: Record<string, string>;
  'timeout-minutes'?: number;
};
type Workflow = { on: Record<string, unknown>; permissions: object; jobs: Record<string, Job> };

const workflowNames = readdirSync(join(root, '.github/workflows'));
const readWorkflow = (name: string) => parseYaml(read(`.github/workflows/${name}`)) as Workflow;
const runsOf = ({ steps = [] }: Job) => steps.flatMap(({ run }) => run ?? []);

describe('.github/workflows', () => {
  test('are ci.yml and release.yml', () => {
    expect(workflowNames.toSorted()).toStrictEqual(['ci.yml', 'release.yml']);
  });

  test.each(workflowNames)(
    '%s: jobs have a time limit, existing scripts and needs, and no rights by default',
    (name) => {
      const { jobs, permissions } = readWorkflow(name);
      expect(permissions).toStrictEqual({ contents: 'read' });
      for (const [jobName, job] of Object.entries(jobs)) {
        for (const other of [job.needs ?? []].flat()) expect(Object.keys(jobs)).toContain(other);
        if (job.uses) {
          expect(existsSync(join(root, job.uses))).toBe(true);
          continue;
        }
        expect([jobName, job['timeout-minutes']]).toStrictEqual([jobName, expect.any(Number)]);
        expect(job.steps![0]!.uses).toMatch(/^actions\/checkout@v\d+$/);
        for (const { uses, run = '' } of job.steps!) {
          if (uses) expect(uses).toMatch(/^[\w-]+\/[\w-]+@v\d+$/);
          for (const [, script] of run.matchAll(/npm run ([\w:-]+)/g))
            expect(Object.keys(packageJson.scripts)).toContain(script);
          for (const [, file] of run.matchAll(/node (\S+\.js)/g))
            expect(existsSync(join(root, file!))).toBe(true);
        }
      }
    },
  );

  test('ci.yml checks each supported Node with the oldest and the newest PostgreSQL, and builds the container', () => {
    const { on, jobs } = readWorkflow('ci.yml');
    expect(Object.keys(on)).toEqual(expect.arrayContaining(['push', 'pull_request', 'workflow_call']));
    const { check, reliability, container } = jobs as Record<'check' | 'reliability' | 'container', Job>;
    expect(check.strategy!.matrix).toStrictEqual({ node: [20, 22, 24], postgres: [14, 18] });
    expect(check.container!.image).toBe('node:${{ matrix.node }}-bookworm');
    expect(check.services!['postgres']!.image).toBe('postgres:${{ matrix.postgres }}');
    expect(runsOf(check)).toEqual(expect.arrayContaining(['npm ci', 'npm run check']));
    expect(reliability.strategy!.matrix).toStrictEqual({ node: [20, 22, 24] });
    expect(runsOf(reliability).slice(-2)).toStrictEqual([
      'npm test -- --coverage',
      'npm run test:reliability',
    ]);
    expect(runsOf(container)).toContain('docker build --tag group-api .');
  });

  test('release.yml publishes what ci.yml has checked: npm with provenance, image, then the notes', () => {
    const { on, jobs } = readWorkflow('release.yml');
    expect(on).toStrictEqual({ push: { tags: ['v[0-9]+.[0-9]+.[0-9]+*'] } });
    const { ci, npm, image, notes } = jobs as Record<'ci' | 'npm' | 'image' | 'notes', Job>;
    expect(ci.uses).toBe('./.github/workflows/ci.yml');
    expect([npm.needs, image.needs, notes.needs]).toStrictEqual(['ci', 'ci', ['npm', 'image']]);
    expect(npm.permissions).toStrictEqual({ contents: 'read', 'id-token': 'write' });
    expect(runsOf(npm)).toContain('npm publish --provenance --access public');
    expect(image.permissions).toStrictEqual({ contents: 'read', packages: 'write' });
    expect(runsOf(notes)[0]).toBe('node scripts/release-notes.js "$GITHUB_REF_NAME" > notes.md');
  });
});

describe('scripts/release-notes.js', () => {
  const run = async (...args: string[]) =>
    promisify(execFile)(process.execPath, [join(root, 'scripts/release-notes.js'), ...args]);
  const tag = `v${packageJson.version}`;

  test('prints the section of the version alone', async () => {
    const file = join(await createTestFolder(), 'CHANGELOG.md');
    const section = '### Fixed\n\n- One.\n- Two.';
    await writeFile(
      file,
      `# Changelog\n\n## [Unreleased]\n\n- Later.\n\n## [${packageJson.version}] - 2026-01-02\n\n${section}\n\n## [0.0.1] - 2025-01-01\n\n- First.\n`,
    );
    expect((await run(tag, file)).stdout).toBe(`${section}\n`);
  });

  test('rejects a tag that is not the version of package.json, and a version without a section', async () => {
    await expect(run('v99.0.0')).rejects.toMatchObject({
      code: 1,
      stdout: '',
      stderr: `release-notes: the tag is "v99.0.0", but package.json has ${packageJson.version}: it must be ${tag}\n`,
    });
    const file = join(await createTestFolder(), 'CHANGELOG.md');
    await writeFile(file, '# Changelog\n\n## [Unreleased]\n\n- Later.\n');
    await expect(run(tag, file)).rejects.toMatchObject({ code: 1, stdout: '', stderr: /has no section/ });
  });
});

describe('.env.example', () => {
  const example = read('.env.example');

  test('has every setting in the order of the table, as a comment', () => {
    const names = [...example.matchAll(/^#([A-Z_]+)=/gm)].map(([, name]) => name);
    expect(names).toStrictEqual(Object.keys(settings));
    expect(parseEnvFile(Buffer.from(example))).toMatchObject({ entries: [], problems: [] });
  });

  test('changes nothing where each comment is removed', () => {
    const { entries, problems } = parseEnvFile(Buffer.from(example.replaceAll(/^#(?=[A-Z_]+=)/gm, '')));
    expect(problems).toStrictEqual([]);
    const environment = Object.fromEntries(entries.map(({ name, value }) => [name, value]));
    expect(readConfig(environment, false)).toStrictEqual(readConfig({}, false));
  });
});

describe('versions of Node', () => {
  test('.nvmrc names a supported one, and the newest of the matrix', () => {
    const version = read('.nvmrc').trim();
    const { node } = readWorkflow('ci.yml').jobs['check']!.strategy!.matrix;
    expect(Number(version)).toBe(Math.max(...node!));
    expect(read('Dockerfile')).toMatch(new RegExp(`^FROM node:${version}-slim$`, 'm'));
  });

  test('the matrix has every major version that package.json names', () => {
    const { node } = readWorkflow('ci.yml').jobs['check']!.strategy!.matrix;
    const supported = [...packageJson.engines.node.matchAll(/(?:\^|>=)(\d+)/g)].map(([, major]) =>
      Number(major),
    );
    expect(node).toStrictEqual(supported);
  });
});

test.each(reliabilityFiles)('the reliability test %s exists, and npm test leaves it out', (name) => {
  expect(existsSync(join(root, `test/${name}.test.ts`))).toBe(true);
});

test('renovate.json is JSON with a schema', () => {
  expect(JSON.parse(read('renovate.json'))).toMatchObject({
    $schema: 'https://docs.renovatebot.com/renovate-schema.json',
    extends: expect.arrayContaining(['config:recommended']),
  });
});

test.each(['bug.yml', 'feature.yml'])('the issue template %s has fields with unique ids', (name) => {
  const template = parseYaml(read(`.github/ISSUE_TEMPLATE/${name}`));
  expect(template).toMatchObject({ name: expect.any(String), description: expect.any(String) });
  const ids = template.body.flatMap(({ id }: { id?: string }) => id ?? []);
  expect(ids.length).toBeGreaterThan(1);
  expect(new Set(ids).size).toBe(ids.length);
});
