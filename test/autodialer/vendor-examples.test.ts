import { execFile, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { JSDOM, VirtualConsole } from 'jsdom';
import { createAutodialerClient } from '../support/autodialer.ts';
import { basic, createTestAccount } from '../support/test-accounts.ts';
import { useTestApp } from '../support/test-app.ts';
import { waitUntil } from '../support/wait-until.ts';

// Runs the examples of the vendor's document exactly as documented, except for the host.
const document = readFileSync(
  fileURLToPath(new URL('../support/autodialer-group-remove.txt', import.meta.url)),
  'utf8',
);
const id = '6033876dc92de036d1390923';
const page = 'http://192.168.51.20';
const say = (what: string, output: unknown) =>
  process.stdout.write(`${what}: ${typeof output === 'string' ? output : JSON.stringify(output)}\n`);
const { call, addGroup, readNumbers } = createAutodialerClient(() => app);

const app = useTestApp({ CORS_ORIGINS: [page] });
beforeAll(async () => {
  await createTestAccount(app, {
    username: 'test',
    password: 'Aa123456',
    apiKey: 'vZKtIKWsld0egNlkzHo8i5LVBqLNBSWARCQsPOSgDjFmAHM3tG',
    requiresBoth: true,
    scopes: ['autodialer/groups/remove'],
  });
});

/** The group of the examples, with the document's id. */
beforeEach(async () => {
  for (const table of ['number_groups', 'deleted_number_groups']) await app.sql(`DELETE FROM ${table}`);
  const added = await addGroup({ numbers: ['1111', '2222'] });
  await app.sql('UPDATE number_groups SET id = $1 WHERE id = $2', [id, added]);
});

const sampleIn = (language: string) => {
  const [, sample] = new RegExp(`\`\`\`${language}\\n([^]*?)\`\`\``).exec(document)!;
  expect(sample).toContain('http://192.168.51.21/');
  return sample!.replace('http://192.168.51.21', app.httpUrl);
};
/** The document's response. */
const documented = JSON.parse(/```shell\n([^]*?)```/.exec(document)![1]!);
const failed = { success: 0, message: "Field '_id':There is no such group", data: '' };

const expectRemoved = async () => {
  expect(await app.sql('SELECT id FROM number_groups')).toStrictEqual([]);
  expect(await app.sql('SELECT id, deleted_by FROM deleted_number_groups')).toStrictEqual([
    { id, deleted_by: 'test' },
  ]);
};
test("the vendor's documented curl example removes the group once", async () => {
  const run = async () =>
    (await promisify(execFile)('sh', ['-c', `${sampleIn('bash').trim()} --silent`])).stdout;
  const first = await run();
  say('curl', first);
  expect(JSON.parse(first)).toStrictEqual(documented);
  await expectRemoved();
  expect(JSON.parse(await run())).toStrictEqual(failed);
});

const php = spawnSync('php', ['-r', 'exit(function_exists("curl_init") ? 0 : 1);']);
if (php.status !== 0) say('PHP', 'its sample is skipped, since php-cli with php-curl is not installed');
const withPhp = php.status === 0 ? describe : describe.skip;
withPhp('where PHP with curl is installed,', () => {
  test("the vendor's documented PHP example removes the group once", async () => {
    const run = async () => {
      // The code as in a file: after the opening tag, which has to come first.
      const child = promisify(execFile)('php', []);
      child.child.stdin!.end(sampleIn('php').trim());
      return (await child).stdout;
    };
    const first = await run();
    say('PHP', first);
    expect(first).toBe(`response code:200<br/>${JSON.stringify(documented)}`);
    await expectRemoved();
    expect(await run()).toBe(`response code:200<br/>${JSON.stringify(failed)}`);
  });
});

describe("the vendor's documented jQuery example on a page of another origin", () => {
  const jquery = readFileSync(createRequire(import.meta.url).resolve('jquery'), 'utf8');

  /** Opens the example's page with a local jQuery, and returns its console output. */
  const openPage = async (origin: string) => {
    const html = sampleIn('js').replace(
      /<script src="[^"]*jquery[^"]*"><\/script>/,
      () => `<script>${jquery}</script>`,
    );
    const printed: string[] = [];
    const console = new VirtualConsole();
    const ended = new Promise<void>((resolve) => {
      console.on('log', (line: string) => {
        printed.push(line);
        if (line.startsWith('response body')) resolve();
      });
    });
    const dom = new JSDOM(html, {
      url: `${origin}/`,
      runScripts: 'dangerously',
      virtualConsole: console,
    });
    await ended;
    dom.window.close();
    say('jQuery', printed);
    return printed;
  };

  test('the jQuery example removes the group', async () => {
    // On success jQuery passes the data to `always` instead of the request; the example prints it anyway.
    expect(await openPage(page)).toStrictEqual([
      'response code: undefined undefined',
      'response body: undefined',
    ]);
    await expectRemoved();
  });

  test('the jQuery example is rejected if its origin is not in CORS_ORIGINS, and removes nothing', async () => {
    const before = await readNumbers();
    expect((await openPage('http://evil.example'))[0]).toBe('response code: 0 error');
    expect(await readNumbers()).toStrictEqual(before);
  });

  test('the jQuery example can read the body of an error', async () => {
    await app.sql(`UPDATE accounts SET scopes = '{groups:read}' WHERE username = 'test'`);
    // The server caches an account for one second.
    const credentials = {
      'X-APIKEY': 'vZKtIKWsld0egNlkzHo8i5LVBqLNBSWARCQsPOSgDjFmAHM3tG',
      ...basic('test', 'Aa123456'),
    };
    await waitUntil(async () => (await call('remove', {}, credentials)).status === 403);
    expect(await openPage(page)).toStrictEqual([
      'response code: 403 Forbidden',
      'response body: {"success":0,"message":"autodialer/groups/remove;Access denied","data":""}',
    ]);
    await app.sql(`UPDATE accounts SET scopes = '{autodialer/groups/remove}' WHERE username = 'test'`);
  });
});

test("the vendor's examples are rejected without one of the two credentials that the account requires", async () => {
  for (const headers of [
    { 'X-APIKEY': 'vZKtIKWsld0egNlkzHo8i5LVBqLNBSWARCQsPOSgDjFmAHM3tG' },
    { 'X-APIKEY': '', Authorization: 'Basic dGVzdDpBYTEyMzQ1Ng==' },
  ] as Record<string, string>[]) {
    const { status, body } = await call('remove', { _id: id }, headers);
    expect([status, body.message]).toStrictEqual([401, 'BasicAuth or ApiKey is invalid']);
  }
});
