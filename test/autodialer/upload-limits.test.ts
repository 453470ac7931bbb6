import { expect, test } from '@jest/globals';
import { createAutodialerClient, failure, groupsPath } from '../support/autodialer.ts';
import { startServer } from '../support/server-process.ts';
import { testKey, useTestApp } from '../support/test-app.ts';

const app = useTestApp();
const { call, upload, readNumbers } = createAutodialerClient(() => app);

test('a file over 64 MiB is rejected, and nothing is stored', async () => {
  const before = await readNumbers();
  const line = `${'1'.repeat(30)},${'x'.repeat(1000)}\n`;
  const { status, body } = await upload(line.repeat(Math.ceil((64 * 1024 * 1024) / line.length) + 1));
  expect([status, body]).toStrictEqual([413, failure('The body is larger than 64 MiB')]);
  expect(await readNumbers()).toStrictEqual(before);
});

test('more than a million numbers are rejected with the name of their field', async () => {
  const before = await readNumbers();
  const numbers = Array.from({ length: 1_000_001 }, (_, index) => String(index));
  expect((await upload(numbers.join('\n'))).body).toStrictEqual(
    failure("Field 'file':value must have at most 1000000 numbers, or 5000000 with duplicates"),
  );
  expect(await readNumbers()).toStrictEqual(before);
});

test('a million numbers are uploaded and added with bounded memory', async () => {
  const server = startServer({ DATABASE_URL: app.url, ADMIN_API_KEY: testKey, LOG_LEVEL: 'silent' });
  const { url } = await server.ready;
  const send = async (service: string, body: string | FormData, headers: Record<string, string> = {}) => {
    const init = { method: 'POST', headers: { 'X-APIKEY': testKey, ...headers }, body };
    return (await (await fetch(`${url}${groupsPath}/${service}`, init)).json()) as {
      data: Record<string, string>;
    };
  };
  const json = { 'Content-Type': 'application/json' };
  let peakMb = 0;
  const watch = setInterval(() => (peakMb = Math.max(peakMb, server.memoryMb())), 50);

  const form = new FormData();
  const numbers = Array.from({ length: 1_000_000 }, (_, index) => `0912${String(index).padStart(7, '0')}`);
  form.append('file', new Blob([`number\n${numbers.join('\n')}\n${numbers[0]}\n`]), 'a.csv');
  const { data: uploaded } = await send('upload', form);
  const { data: added } = await send(
    'add',
    JSON.stringify({ name: 'm', filename: uploaded['filename'] }),
    json,
  );
  const { data: group } = await send('update', JSON.stringify({ _id: added['_id'], name: 'million' }), json);
  clearInterval(watch);

  expect(group).toMatchObject({ name: 'million', count: 1_000_000 });
  expect((group['numbers'] as unknown as string[]).length).toBe(1_000_000);
  expect((group['numbers'] as unknown as string[])[999_999]).toBe('09120999999');
  process.stdout.write(`upload of 1,000,000 numbers: ${Math.round(peakMb)} MB at most\n`);
  expect(peakMb).toBeLessThan(300);
  server.kill('SIGTERM');
  await server.exited;
}, 120_000);

test('add of more than a million numbers is rejected, and stores nothing', async () => {
  const before = await readNumbers();
  const numbers = Array.from({ length: 1_000_001 }, (_, index) => String(index));
  expect((await call('add', { name: 'many', numbers })).body).toStrictEqual(
    failure("Field 'numbers':value must have at most 1000000 numbers, or 5000000 with duplicates"),
  );
  expect(await readNumbers()).toStrictEqual(before);
});
