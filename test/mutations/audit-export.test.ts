import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, expect, test } from '@jest/globals';
import { createCommandLine } from '../support/command-line.ts';
import { useTestApp } from '../support/test-app.ts';
import { useTestFolder } from '../support/test-folder.ts';

const app = useTestApp();
const folder = useTestFolder();
const { run } = createCommandLine(() => app);
const parseLines = (text: string) =>
  text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));

beforeAll(async () => {
  await app.sql(
    `INSERT INTO audit_events (at, account, credential, address, request_id, operation, target_ids, outcome)
     SELECT '2026-01-01Z'::timestamptz + n * interval '1 minute', 'many', 'api-key', '127.0.0.1', 'r' || n, 'editGroup',
       ARRAY[n::text], 'done' FROM generate_series(0, 2999) n`,
  );
});

test('an export has the events from --since to before --until, one line each with the fields of the API, by id', async () => {
  const { stdout, stderr, code } = await run(
    'audit',
    'export',
    '--since',
    '2026-01-01T01:00:00Z',
    '--until',
    '2026-01-02T22:00:00Z',
  );
  expect([stderr, code]).toStrictEqual(['', 0]);
  const events = parseLines(stdout);
  expect(events.map(({ targetIds }) => Number(targetIds[0]))).toStrictEqual(
    Array.from({ length: 45 * 60 }, (_, index) => index + 60),
  );
  const { body } = await app.graphql(`{ auditEvents(filter: { requestId: "r60" }) { nodes {
    id at account credential address userAgent requestId operation targetIds outcome errorCode reason before after } } }`);
  expect(events[0]).toStrictEqual(body.data.auditEvents.nodes[0]);
});

test('an export to a file reports its events; only its owner can read it, and it replaces no file without --force', async () => {
  const file = join(folder, 'audit.ndjson');
  const { stdout, code } = await run('audit', 'export', '--until', '2026-01-01T00:02:00Z', file, '--json');
  expect([JSON.parse(stdout), code]).toStrictEqual([{ file, events: 2 }, 0]);
  expect(parseLines(await readFile(file, 'utf8'))).toHaveLength(2);
  expect((await stat(file)).mode & 0o777).toBe(0o600);

  const again = await run('audit', 'export', file);
  expect([again.stderr, again.code]).toStrictEqual([
    `group-api: ${file} already exists: choose another name, or pass --force\n`,
    1,
  ]);
  expect((await run('audit', 'export', file, '--force')).stdout).toMatch(/^Exported 3,?0\d\d events to /);
});

test('a wrong date, and --json without a file, are rejected before anything is written', async () => {
  expect((await run('audit', 'export', '--since', 'yesterday')).stderr).toContain('--since must be a date');
  expect((await run('audit', 'export', '--json')).stderr).toContain('--json requires a file');
});
