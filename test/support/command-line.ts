import { spawn } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, type Readable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { runProgram } from '../../src/cli/program.ts';
import type { TestApp } from './test-app.ts';

/** The program, and an empty folder to run it in, so that it reads no `.env`. */
export const bin = fileURLToPath(new URL('../../dist/main.js', import.meta.url));
export const cwd = mkdtempSync(join(tmpdir(), 'group-api-command-'));

type Result = { code: number; stdout: string; stderr: string };
type Environment = Readonly<Record<string, string | undefined>>;

/** The streams of a command that runs in the test's process belong to the process: one command at a time. */
let isBusy = false;
/** They take effect at the start of a process only. */
const processVariables = ['TZ', 'NODE_OPTIONS'];

/**
 * Runs commands without a terminal, as a script does, on the database of an app, or any other. It is asked for late.
 * `run` and `runWith` run a command in the test's process, which saves the start of a new one; a command that runs while
 * another one does has its own process, so that both run concurrently. With `isProcess` each command has.
 */
export function createCommandLine(
  openedApp: () => Pick<TestApp, 'url'>,
  { isProcess = false }: { isProcess?: boolean } = {},
) {
  /** Additional environment variables of the commands. */
  const environment: Record<string, string> = {};
  const runWith = async (input: string, ...args: string[]): Promise<Result> => {
    const env = { PATH: process.env['PATH'], DATABASE_URL: openedApp().url, ...environment };
    const needsProcess = isProcess || isBusy || processVariables.some((name) => name in environment);
    return needsProcess ? runProcess(input, args, env) : runHere(input, args, env);
  };
  return { environment, runWith, run: async (...args: string[]) => runWith('', ...args) };
}

async function runProcess(input: string, args: readonly string[], env: Environment): Promise<Result> {
  const child = spawn(process.execPath, [bin, ...args], { cwd, env });
  const stdout = collect(child.stdout);
  const stderr = collect(child.stderr);
  child.stdin.end(input);
  const code = await new Promise<number>((resolve) => child.on('close', resolve));
  return { code, stdout: stdout(), stderr: stderr() };
}

/** Gives the command the process, as it is for a new one: streams, environment, working directory and exit code. */
async function runHere(input: string, args: readonly string[], env: Environment): Promise<Result> {
  isBusy = true;
  const folder = process.cwd();
  const { exitCode } = process;
  const names = ['stdin', 'stdout', 'stderr', 'env'] as const;
  const before = names.map((name) => Object.getOwnPropertyDescriptor(process, name));
  const [out, err] = [new PassThrough(), new PassThrough()];
  const [stdout, stderr] = [collect(out), collect(err)];
  const own = {
    stdin: toStream(input),
    stdout: out,
    stderr: err,
    env: { ...env },
  };
  for (const [name, value] of Object.entries(own))
    Object.defineProperty(process, name, { value, writable: true, configurable: true, enumerable: true });
  process.exitCode = undefined;
  process.chdir(cwd);
  try {
    const code = await runProgram(args);
    for (const stream of [out, err]) {
      stream.end();
      await finished(stream).catch(() => undefined);
    }
    return { code, stdout: stdout(), stderr: stderr() };
  } finally {
    process.chdir(folder);
    process.exitCode = exitCode;
    names.forEach((name, index) => {
      const descriptor = before[index];
      if (descriptor) Object.defineProperty(process, name, descriptor);
      else delete (process as unknown as Record<string, unknown>)[name];
    });
    isBusy = false;
  }
}

/** Bytes, as standard input has them. */
function toStream(input: string): Readable {
  const stream = new PassThrough();
  stream.end(input);
  return stream;
}

/** Collects what a stream gets; a character may arrive in two pieces. */
function collect(stream: Readable): () => string {
  const chunks: Buffer[] = [];
  stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  return () => Buffer.concat(chunks).toString();
}

/** Returns the commands of the program that do something, such as `groups list`, as --help lists them. */
export async function listCommands(
  run: (...args: string[]) => Promise<Result>,
  path: readonly string[] = [],
): Promise<string[]> {
  const { stdout } = await run(...path, '--help');
  const names = [...(stdout.split('\nCommands:\n')[1] ?? '').matchAll(/^ {2}(\S+)/gm)]
    .map(([, name]) => name!)
    .filter((name) => name !== 'help' && name !== 'group-api');
  if (names.length === 0) return [path.join(' ')];
  const commands: string[] = [];
  for (const name of names) commands.push(...(await listCommands(run, [...path, name])));
  return commands;
}
