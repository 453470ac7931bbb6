import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { bin, createCommandLine, cwd } from './support/command-line.ts';
import { openCountingProxy } from './support/counting-proxy.ts';
import { openSecondConnection } from './support/second-connection.ts';
import { openTestApp, type Json, type TestApp } from './support/test-app.ts';
import { waitUntil } from './support/wait-until.ts';

let app: TestApp;
beforeAll(async () => {
  app = await openTestApp();
});
afterAll(() => app.close());

const { run } = createCommandLine(() => app);
const insertEvent = `INSERT INTO audit_events (at, account, credential, address, request_id, operation, target_ids, outcome)
  VALUES (now(), $1, 'api-key', '127.0.0.1', 'test', $2, '{7}', 'done') RETURNING id::text`;
const writeEvent = async (account: string, operation = 'editGroup') =>
  (await app.sql(insertEvent, [account, operation]))[0]!['id'] as string;

describe('audit list', () => {
  const idsOf = async (...args: string[]): Promise<string[]> => {
    const { code, stdout, stderr } = await run('audit', 'list', '--json', ...args);
    expect([code, stderr]).toStrictEqual([0, '']);
    return JSON.parse(stdout).auditEvents.map(({ id }: Json) => id);
  };

  test('audit list has each filter: only the events that match are printed, latest first', async () => {
    const id = await app.createGroup();
    await app.post('/editGroup', { id, group: { price: '1' } }, { 'X-Request-Id': 'of-the-edit' });
    await app.post('/deleteGroup', { id: 2_000_000_000 });
    await run('accounts', 'create', 'shop', '--scope', 'groups:read');
    const expectations: [string[], object][] = [
      [['--group', String(id)], { targetId: String(id) }],
      [['--target', 'shop'], { targetId: 'shop' }],
      [['--account', 'admin'], { account: 'admin' }],
      [['--operation', 'accounts create'], { operation: 'accounts create' }],
      [['--outcome', 'refused'], { outcome: 'refused' }],
      [['--error-code', 'NOT_FOUND'], { errorCode: 'NOT_FOUND' }],
      [['--request-id', 'of-the-edit'], { requestId: 'of-the-edit' }],
      [['--since', '2020-01-01'], { from: '2020-01-01T00:00:00Z' }],
      [['--until', '2100-01-01T00:00:00+03:30'], { to: '2100-01-01T00:00:00+03:30' }],
      [['--since', '2100-01-01'], { from: '2100-01-01T00:00:00Z' }],
    ];
    for (const [args, filter] of expectations) {
      const { body } = await app.graphql(
        'query ($filter: AuditFilter) { auditEvents(filter: $filter) { nodes { id } } }',
        { filter },
      );
      const ids = body.data.auditEvents.nodes.map((node: Json) => node.id);
      expect([args, await idsOf(...args)]).toStrictEqual([args, ids]);
      expect(ids.length > 0).toBe(!args.includes('2100-01-01'));
    }
  });

  test('audit list prints the command for the next page, and counts all pages if asked to', async () => {
    for (const account of ['paged', 'paged', 'paged']) await writeEvent(account);
    const { stdout } = await run('audit', 'list', '--account', 'paged', '--first', '2', '--count');
    const [, next] =
      /\n\nOn all pages: 3\n\nNext page: group-api (audit list --account paged --first 2 --count --after \S+)\n$/.exec(
        stdout,
      )!;
    expect((await run(...next!.split(' '), '--json')).stdout).toMatch(
      /^{"auditEvents":\[{[^{]*}\],.*"totalCount":3,"totalCountIsExact":true}\n$/,
    );
  });

  test.each([
    [['--group', 'x'], 1, 'Group id must be a positive integer'],
    [
      ['--since', 'yesterday'],
      1,
      '--since must be a date, such as 2030-01-01 or 2030-01-01T12:00:00Z, not "yesterday"',
    ],
    [['--since', '2026-02-31'], 1, '--since must be a date'],
    [['--outcome', 'good'], 2, 'Allowed choices are done, refused, dry-run, replayed'],
    [
      ['--group', '7', '--target', '7'],
      2,
      "option '--group <id>' cannot be used with option '--target <id>'",
    ],
    [['--follow', '--first', '5'], 2, "option '--follow' cannot be used with option '--first <count>'"],
    [
      ['--follow', '--until', '2030-01-01'],
      2,
      "option '--follow' cannot be used with option '--until <date>'",
    ],
  ])('audit list rejects %j', async (args, exitCode, message) => {
    const { code, stdout, stderr } = await run('audit', 'list', ...args);
    expect([code, stdout, stderr]).toStrictEqual([exitCode, '', expect.stringContaining(message)]);
  });
});

describe('audit list --follow', () => {
  const started: ChildProcess[] = [];
  // A failed test does not stop its command.
  afterEach(() => started.splice(0).forEach((child) => child.kill('SIGKILL')));

  /** Starts the command. */
  function follow(args: readonly string[], url = app.url) {
    const child = spawn(process.execPath, [bin, 'audit', 'list', '--follow', ...args], {
      cwd,
      env: { PATH: process.env['PATH'], DATABASE_URL: url },
    });
    started.push(child);
    const output = { stdout: '', stderr: '' };
    child.stdout.on('data', (chunk: Buffer) => (output.stdout += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (output.stderr += chunk.toString()));
    const exited = new Promise<number | null>((resolve) => child.on('close', resolve));
    return {
      output,
      lines: () => output.stdout.split('\n').slice(0, -1),
      stop: () => {
        child.kill('SIGTERM');
        return exited;
      },
    };
  }

  test('audit list --follow prints each new event once, also one that is committed after later ones, until a signal', async () => {
    await writeEvent('follower', 'before');
    const { output, lines, stop } = follow(['--account', 'follower', '--json']);
    const ids = () => lines().map((line) => JSON.parse(line).id as string);
    let written: string[] = [];
    // The first events may be written before the command has started.
    await waitUntil(async () => {
      written.push(await writeEvent('follower', 'first'));
      return lines().length > 0;
    });
    written = written.slice(written.indexOf(ids()[0]!));

    const slow = await openSecondConnection(app);
    await slow.query('BEGIN');
    await slow.query(insertEvent, ['follower', 'late']);
    const rolledBack = await openSecondConnection(app);
    await rolledBack.query('BEGIN');
    await rolledBack.query(insertEvent, ['follower', 'rolled back']);
    await writeEvent('other');
    written.push(await writeEvent('follower', 'second'), await writeEvent('follower', 'third'));
    await waitUntil(() => lines().length >= written.length);
    expect(ids()).toStrictEqual(written);
    await rolledBack.query('ROLLBACK');
    await slow.query('COMMIT');
    await waitUntil(() => lines().length > written.length);
    written.push(await writeEvent('follower', 'fourth'));
    await waitUntil(() => lines().length > written.length);

    expect(await stop()).toBe(0);
    expect(output.stderr).toBe('');
    const [late] = await app.sql(`SELECT id::text FROM audit_events WHERE operation = 'late'`);
    expect(ids()).toStrictEqual([...written.slice(0, -1), late!['id'], written.at(-1)]);
    const { body } = await app.graphql(
      `{ auditEvents(filter: { account: "follower" }, first: 1) { nodes { id at account credential address userAgent requestId
        operation targetIds outcome errorCode reason before after } } }`,
    );
    expect(JSON.parse(lines().at(-1)!)).toStrictEqual(body.data.auditEvents.nodes[0]);
    await Promise.all([slow.close(), rolledBack.close()]);
  });

  test('audit list --follow --since starts with the first event since then, as a table', async () => {
    const since = new Date().toISOString();
    // More than a batch.
    await app.sql(
      `INSERT INTO audit_events (account, credential, address, request_id, operation, target_ids, outcome)
       SELECT 'many', 'api-key', '127.0.0.1', 'test', 'editGroup', '{7}', 'done' FROM generate_series(1, 1200)`,
    );
    const { output, lines, stop } = follow(['--account', 'many', '--since', since]);
    await waitUntil(() => lines().length > 1200);
    await writeEvent('many', 'deleteGroup');
    await waitUntil(() => lines().length > 1201);
    expect([await stop(), output.stderr]).toStrictEqual([0, '']);
    expect(lines()[0]).toMatch(/^ID +AT +ACCOUNT +OPERATION +TARGETS +OUTCOME +ERROR +REASON$/);
    expect(lines().at(-1)).toMatch(/^\d+ +\S+Z +many +deleteGroup +7 +done$/);
    const rows = await app.sql(
      `SELECT id::text FROM audit_events WHERE account = 'many' ORDER BY audit_events.id`,
    );
    expect(
      lines()
        .slice(1)
        .map((line) => line.split(' ')[0]),
    ).toStrictEqual(rows.map(({ id }) => id));
  });

  test('audit list --follow waits for a database that is unavailable, and then prints what was written', async () => {
    const proxy = await openCountingProxy(app.url);
    const options = ['--account', 'outage', '--since', '2020-01-01', '--json'];
    const { output, lines, stop } = follow(options, proxy.url);
    await writeEvent('outage', 'first');
    await waitUntil(() => lines().length === 1);
    await proxy.close();
    await waitUntil(() => output.stderr.includes('The database is unavailable: retrying every second'));
    await writeEvent('outage', 'second');
    const reopened = await openCountingProxy(app.url, Number(new URL(proxy.url).port));
    await waitUntil(() => lines().length === 2);
    expect(await stop()).toBe(0);
    expect(output.stderr.split('retrying every second')).toHaveLength(2);
    expect(lines().map((line) => JSON.parse(line).operation)).toStrictEqual(['first', 'second']);
    await reopened.close();
  });

  test('audit list --follow ends with exit code 0 when the reader of its output does, and prints no error', async () => {
    const command = `${process.execPath} ${bin} audit list --follow --account reader --since 2020-01-01 --json | head -n 1`;
    const withExitCode = `set -o pipefail; ${command}`;
    const ended = promisify(execFile)('bash', ['--norc', '-c', withExitCode], {
      cwd,
      env: { PATH: process.env['PATH'], DATABASE_URL: app.url },
    });
    let isEnded = false;
    void ended.then(() => (isEnded = true));
    await waitUntil(async () => {
      await writeEvent('reader');
      return isEnded;
    });
    // A failed command of the pipe would reject it.
    expect(await ended).toStrictEqual({
      stdout: expect.stringMatching(/^{.*"account":"reader".*}\n$/),
      stderr: '',
    });
  });
});

test.each(['audit list --json', 'groups list'])(
  '%s exits with code 0 without an error if the reader of its output has ended',
  async (command) => {
    const shell = `set -o pipefail; ${process.execPath} ${bin} ${command} | true`;
    const ended = await promisify(execFile)('bash', ['--norc', '-c', shell], {
      cwd,
      env: { PATH: process.env['PATH'], DATABASE_URL: app.url },
    });
    expect(ended).toStrictEqual({ stdout: '', stderr: '' });
  },
);
