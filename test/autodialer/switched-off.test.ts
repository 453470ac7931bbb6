import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { groupsPath } from '../support/autodialer.ts';
import { startServer } from '../support/server-process.ts';
import { openTestApp, testKey, useTestApp } from '../support/test-app.ts';
import { useTestFolder } from '../support/test-folder.ts';

const app = useTestApp();
const dir = useTestFolder();

test('AUTODIALER=false removes all autodialer endpoints', async () => {
  const without = await openTestApp({ AUTODIALER: false });
  try {
    for (const path of [`${groupsPath}/remove`, '/api/v4/openapi.json', '/api/v4/docs/'])
      expect((await without.post(path, {})).status).toBe(404);
  } finally {
    await without.close();
  }
});

test('with AUTODIALER=false, a server loads no file of the autodialer but those of its purge', async () => {
  const server = startServer({
    DATABASE_URL: app.url,
    ADMIN_API_KEY: testKey,
    AUTODIALER: 'false',
    NODE_V8_COVERAGE: dir,
  });
  await server.ready;
  server.kill('SIGTERM');
  expect((await server.exited).code).toBe(0);

  // Node writes the scripts that a process has loaded.
  const scripts = readdirSync(dir).flatMap(
    (name) => JSON.parse(readFileSync(join(dir, name), 'utf8')).result as { url: string }[],
  );
  const loaded = scripts.flatMap(({ url }) => /\/dist\/(.+)\.js$/.exec(url)?.[1] ?? []);
  expect(loaded).toContain('app');
  expect(loaded.filter((name) => name.startsWith('autodialer/')).toSorted()).toStrictEqual([
    'autodialer/number-groups/archive',
    'autodialer/number-groups/number-group',
    'autodialer/number-groups/number-list-repository',
    'autodialer/purge',
  ]);
});
