import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, readdirSync, readlinkSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { bin } from '../support/command-line.ts';
import { testKey } from '../support/test-app.ts';
import { createTestFolder } from '../support/test-folder.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const main = join(root, 'dist/main.js');
const emptyDir = mkdtempSync(join(tmpdir(), 'group-api-empty-'));

let dir: string;
beforeAll(async () => {
  dir = await createTestFolder();
});
afterAll(async () => {
  await rm(dir, { recursive: true, force: true });
  await rm(emptyDir, { recursive: true, force: true });
});

/** The processes that use a data folder, whatever their parent. */
const processesOf = (dataDir: string) =>
  readdirSync('/proc').flatMap((pid) => {
    try {
      const [environment, command] = ['environ', 'cmdline'].map((name) =>
        readFileSync(`/proc/${pid}/${name}`, 'latin1'),
      );
      const about = [environment, command, readlinkSync(`/proc/${pid}/cwd`)].join('\0');
      return about.includes(dataDir) ? [{ pid: Number(pid), command: command! }] : [];
    } catch {
      return [];
    }
  });
afterEach(() => {
  // A test that passes leaves none.
  for (const { pid } of processesOf(dir)) process.kill(pid, 'SIGKILL');
});

/** Starts a program with an embedded PostgreSQL, which the tests share in turn. */
const startProgram = (command: string, args: readonly string[], options: object = {}) => {
  const dataDir = join(dir, 'data');
  const child: ChildProcess = spawn(command, args, {
    cwd: emptyDir,
    stdio: ['ignore', 'pipe', 'pipe'],
    ...options,
    env: { PATH: process.env['PATH'], HOME: emptyDir, PORT: '0', ADMIN_API_KEY: testKey, DATA_DIR: dataDir },
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream?.on('data', (chunk: Buffer) => (output += chunk.toString()));
  return { child, dataDir, output: () => output, isReady: () => output.includes('group-api is ready') };
};

const until = async (what: () => boolean, readState: () => unknown) => {
  for (const deadline = Date.now() + 60_000; !what(); await sleep(50)) {
    if (Date.now() > deadline) throw new Error(`it did not come: ${JSON.stringify(readState())}`);
  }
};
const untilAllEnded = async (program: ReturnType<typeof startProgram>) => {
  await until(
    () => processesOf(program.dataDir).length === 0,
    () => [processesOf(program.dataDir), program.output()],
  );
  expect(existsSync(join(program.dataDir, 'postgres/postmaster.pid'))).toBe(false);
};

describe('the end of a server', () => {
  test.each(['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT'] as const)(
    'the server and its PostgreSQL stop on %s, with exit code 0',
    async (signal) => {
      const server = startProgram(process.execPath, [main]);
      await until(server.isReady, server.output);
      server.child.kill(signal);
      expect(await once(server.child, 'exit')).toStrictEqual([0, null]);
      await untilAllEnded(server);
      expect(server.output()).toContain(`"reason":"${signal}"`);
    },
  );

  test.each(['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGKILL'] as const)(
    'the server and its PostgreSQL stop when the npm of `npm start` receives %s',
    async (signal) => {
      const npm = startProgram('npm', ['start'], { cwd: root });
      await until(npm.isReady, npm.output);
      process.kill(npm.child.pid!, signal);
      await untilAllEnded(npm);
    },
  );

  test.each(['SIGTERM', 'SIGHUP', 'SIGKILL'] as const)(
    'the server and its PostgreSQL stop when the npm of `npm exec group-api serve` receives %s',
    async (signal) => {
      const npm = startProgram('npm', ['exec', '-c', `node ${bin} serve && true`]);
      await until(npm.isReady, npm.output);
      process.kill(npm.child.pid!, signal);
      await untilAllEnded(npm);
    },
  );

  test('the server does not stop when an npm ends that started it in the background', async () => {
    const npm = startProgram('npm', ['exec', '-c', `node ${main} & exec true`]);
    const [code] = await once(npm.child, 'exit');
    expect(code).toBe(0);
    await until(npm.isReady, npm.output);
    const [url] = /http:\S+(?=\/graphql)/.exec(npm.output())!;
    expect((await fetch(`${url}/livez`)).status).toBe(200);
    expect(npm.output()).not.toContain('"msg":"stopping"');
    for (const { pid, command } of processesOf(npm.dataDir))
      if (command.includes(main)) process.kill(pid, 'SIGTERM');
    await untilAllEnded(npm);
  });

  test('the server and its PostgreSQL stop when the terminal is closed', async () => {
    const server = startProgram('script', ['-qec', `${process.execPath} ${main}`, '/dev/null'], {
      cwd: emptyDir,
    });
    await until(server.isReady, server.output);
    server.child.kill('SIGKILL');
    await untilAllEnded(server);
  });
});

describe('a command that waits for its input', () => {
  const startImport = (command: string, args: readonly string[]) =>
    startProgram(command, args, { stdio: ['pipe', 'pipe', 'pipe'] });
  const isAtWork = (dataDir: string) => () =>
    processesOf(dataDir).some(({ command }) => command.includes('idle in transaction'));

  test.each(['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT'] as const)(
    'a command that waits for input stops on %s with exit code 1, and stops its PostgreSQL',
    async (signal) => {
      const command = startImport(process.execPath, [bin, 'groups', 'import', '-']);
      await until(isAtWork(command.dataDir), command.output);
      command.child.kill(signal);
      // As npm and a terminal do on one key press.
      command.child.kill(signal);
      expect(await once(command.child, 'exit')).toStrictEqual([1, null]);
      await untilAllEnded(command);
      expect(command.output()).toContain('Aborted; nothing was changed');
    },
  );

  test('a command that waits for input stops when the npm that started it is killed', async () => {
    const npm = startImport('npm', ['exec', '-c', `node ${bin} groups import - && true`]);
    await until(isAtWork(npm.dataDir), npm.output);
    npm.child.kill('SIGKILL');
    await untilAllEnded(npm);
  });

  test('doctor stops on a signal, and leaves no PostgreSQL running', async () => {
    const doctor = startProgram(process.execPath, [bin, 'doctor']);
    await until(
      () => processesOf(doctor.dataDir).some(({ command }) => command.includes('postgres')),
      doctor.output,
    );
    doctor.child.kill('SIGTERM');
    expect(await once(doctor.child, 'exit')).toStrictEqual([1, null]);
    await untilAllEnded(doctor);
    expect(doctor.output()).toContain('Aborted');
  });
});
