import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, test } from '@jest/globals';
import { validate } from 'dockerfile-utils';
import { parse as parseYaml } from 'yaml';
import { readConfig } from '../../src/config/load-config.ts';
import { testKey } from '../support/test-app.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const read = (name: string) => readFileSync(join(root, name), 'utf8');

describe('container files', () => {
  test('the Dockerfile is valid, and does not run as root', () => {
    expect(validate(read('Dockerfile'))).toStrictEqual([]);
    expect(read('Dockerfile')).toMatch(/^USER node$/m);
  });

  test('the files that the Dockerfile copies exist and are not ignored', () => {
    const included = read('.dockerignore')
      .split('\n')
      .filter((line) => line.startsWith('!'))
      .map((line) => line.slice(1));
    for (const name of included) expect(existsSync(join(root, name))).toBe(true);

    const copies = [...read('Dockerfile').matchAll(/^COPY (--from=build )?(.+) \S+$/gm)];
    const sources = copies.flatMap(([, fromBuild, names]) =>
      names!.split(' ').map((name) => (fromBuild ? name.replace('/app/', '') : name)),
    );
    expect(sources).toEqual(
      expect.arrayContaining(['package.json', 'dist', 'node_modules', 'schema.graphql']),
    );
    for (const name of sources) expect([name, existsSync(join(root, name))]).toStrictEqual([name, true]);
    for (const name of ['package-lock.json', 'tsconfig.build.json', 'scripts', 'prisma', 'src'])
      expect(included).toContain(name);
  });

  test('docker-compose.yml passes its linter', async () => {
    const bin = join(root, 'node_modules/.bin/dclint');
    const { stdout } = await promisify(execFile)(bin, ['--formatter', 'json', 'docker-compose.yml'], {
      cwd: root,
    });
    expect(JSON.parse(stdout)).toMatchObject([{ errorCount: 0 }]);
  });

  test('docker-compose.yml starts the server with valid settings, after a healthy database', () => {
    const { services, volumes } = parseYaml(read('docker-compose.yml'));
    const { environment, depends_on } = services.api;
    expect(() => readConfig({ ...environment, ADMIN_API_KEY: testKey }, false)).not.toThrow();
    expect(environment.ADMIN_API_KEY).toMatch(/^\$\{ADMIN_API_KEY:\?/);
    expect(depends_on.postgres.condition).toBe('service_healthy');
    expect(services.postgres.image).toBe('postgres:18');
    expect(Object.keys(volumes)).toStrictEqual(
      services.postgres.volumes.map((volume: string) => volume.split(':')[0]),
    );
  });
});
