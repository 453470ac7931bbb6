import { spawn } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { TestApp } from './test-app.ts';

/** The program, and an empty folder to run it in, so that it reads no `.env`. */
export const bin = fileURLToPath(new URL('../../dist/cli/group-api.js', import.meta.url));
export const cwd = mkdtempSync(join(tmpdir(), 'group-api-command-'));

/** Runs commands without a terminal, as a script does, on a database. `getDatabase` is called lazily. */
export function createCommandLine(getDatabase: () => Pick<TestApp, 'url'>) {
  /** Additional environment variables of the commands. */
  const environment: Record<string, string> = {};
  const runWith = async (input: string, ...commandArguments: string[]) => {
    const child = spawn(process.execPath, [bin, ...commandArguments], {
      cwd,
      env: { PATH: process.env['PATH'], DATABASE_URL: getDatabase().url, ...environment },
    });
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
    child.stdin.end(input);
    const code = await new Promise((resolve) => child.on('close', resolve));
    return { code, stdout, stderr };
  };
  return {
    environment,
    runWith,
    run: async (...commandArguments: string[]) => runWith('', ...commandArguments),
  };
}
