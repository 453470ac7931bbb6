import { execFile, spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { expect, test } from '@jest/globals';
import { validate } from 'dockerfile-utils';
import { parse } from 'yaml';
import { readConfig } from '../../src/config/load-config.ts';
import { hasPgBouncer, startPgBouncer } from '../support/pgbouncer.js';
import { testKey, type Json } from '../support/test-app.ts';

const run = promisify(execFile);
const file = 'docker-compose.scale.yml';
const read = (name: string) => readFileSync(name, 'utf8');
const { services, networks, volumes }: Json = parse(read(file));

/** On Debian its folder is in the PATH of root only. */
const haproxy = ['haproxy', '/usr/sbin/haproxy'].find((command) => spawnSync(command, ['-v']).status === 0);
const testWithHaproxy = haproxy === undefined ? test.skip : test;
const testWithPgBouncer = hasPgBouncer ? test : test.skip;

test('docker-compose.scale.yml passes its linter, and the files that it mounts and builds exist', async () => {
  const { stdout } = await run('node_modules/.bin/dclint', ['--formatter', 'json', file]);
  expect(JSON.parse(stdout)).toMatchObject([{ errorCount: 0 }]);
  const mounted = Object.values<Json>(services)
    .flatMap((service) => (service.volumes ?? []) as string[])
    .map((volume) => volume.split(':')[0]!);
  for (const source of mounted)
    expect([source, source in volumes || existsSync(source)]).toStrictEqual([source, true]);
  const { context, dockerfile } = services.pgbouncer.build;
  expect(validate(read(`${context}/${dockerfile}`)).filter(({ severity }) => severity === 1)).toStrictEqual(
    [],
  );
});

test('in docker-compose.scale.yml the owner migrates and grants, then two servers start with the lesser role', () => {
  const { migrate, api, haproxy: proxy } = services;
  expect(migrate.command).toStrictEqual(['node', 'dist/main.js', 'migrate', '--grant-to', 'group_api']);
  expect(migrate.environment.DATABASE_URL).toMatch(/^postgresql:\/\/group_api_owner:.*@postgres:5432\//);
  expect(api.environment.DATABASE_URL).toMatch(/^postgresql:\/\/group_api:.*@pgbouncer:6432\//);
  expect(read('deploy/scale/create-server-role.sh')).toContain('CREATE ROLE group_api LOGIN');
  expect(api.depends_on.migrate.condition).toBe('service_completed_successfully');
  expect(api.deploy.replicas).toBe(2);
  expect(proxy.depends_on.api.condition).toBe('service_healthy');
  expect(() => readConfig({ ...api.environment, ADMIN_API_KEY: testKey }, false)).not.toThrow();
  // The servers accept the address of the client from HAProxy only, which is in this network.
  expect(networks.default.ipam.config).toStrictEqual([{ subnet: api.environment.TRUST_PROXY }]);
});

testWithHaproxy('the HAProxy configuration of docker-compose.scale.yml is valid for HAProxy', async () => {
  const { stdout, stderr } = await run(haproxy!, ['-c', '-f', 'deploy/scale/haproxy.cfg']);
  expect(`${stdout}${stderr}`).not.toMatch(/warning|alert/i);
});

testWithPgBouncer('PgBouncer starts with the configuration of docker-compose.scale.yml', async () => {
  const [databases, settings] = read('deploy/scale/pgbouncer.ini')
    .split('[pgbouncer]')
    .map((section) =>
      Object.fromEntries(
        [...section.matchAll(/^(\w+) =(.*)$/gm)].map(([, name, value]) => [name!, value!.trim()]),
      ),
    );
  expect(databases).toStrictEqual({ group_api: 'host=postgres port=5432' });
  expect(settings).toMatchObject({ pool_mode: 'transaction', listen_port: '6432' });
  const { listen_addr: _address, listen_port: _port, ...others } = settings!;
  const pgbouncer = await startPgBouncer({ host: '127.0.0.1', port: 1 }, others);
  await pgbouncer.close();
});
