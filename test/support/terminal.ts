import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { test } from '@jest/globals';
import { bin, cwd } from './command-line.ts';
import type { TestApp } from './test-app.ts';

/** `script` of Debian and Red Hat creates the terminal; the one of macOS has other arguments. */
export const onTerminal = process.platform === 'linux' ? test : test.skip;

/** Runs a command in its own process at a terminal, on which `answer` is typed. Its output has both streams. */
export async function runAtTerminal(
  app: Pick<TestApp, 'url'>,
  answer: string,
  ...args: string[]
): Promise<{ code: number; stdout: string }> {
  const command = `printf '${answer}\\n' | script -qec '${process.execPath} ${bin} ${args.join(' ')}' /dev/null`;
  return promisify(execFile)('sh', ['-c', command], {
    cwd,
    env: { PATH: process.env['PATH'], DATABASE_URL: app.url },
  }).then(
    (ended) => ({ ...ended, code: 0 }),
    (error: { code: number; stdout: string }) => error,
  );
}

/** The output of a command that would ask, without `--yes` and without a terminal. */
export const notATerminal = { code: 1, stdout: '', stderr: 'group-api: Not a terminal; pass --yes\n' };

/** What a user types at a question, the exit code, and how many of the things to delete are left. */
export const typedAnswers: readonly (readonly [answer: string, exitCode: number, count: number])[] = [
  ['yes', 0, 0],
  ['no', 1, 1],
];
