import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const main = fileURLToPath(new URL('../../dist/main.js', import.meta.url));
/** An empty folder, so that the server reads no `.env` and no `./data` of the developer. */
const emptyDir = mkdtempSync(join(tmpdir(), 'group-api-empty-'));

/** The server as users run it: in a separate process. */
export type ServerProcess = {
  readonly pid: number;
  /** Its output when it is ready. Rejects if it exits instead. */
  readonly ready: Promise<{ text: string; url: string; key: string | undefined }>;
  readonly exited: Promise<{ code: number | null; stdout: string; stderr: string }>;
  /** Its log so far. */
  stderr(): string;
  /** Its resident memory, in MiB. */
  memoryMb(): number;
  kill(signal: NodeJS.Signals): void;
};

export function startServer(
  settings: Record<string, string>,
  nodeArguments: string[] = [],
  program: readonly string[] = [main],
  folder = emptyDir,
): ServerProcess {
  const child = spawn(process.execPath, [...nodeArguments, ...program], {
    cwd: folder,
    env: { PATH: process.env['PATH'], PORT: '0', ...settings },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));

  const ready = new Promise<{ text: string; url: string; key: string | undefined }>((resolve, reject) => {
    child.stdout.on('data', (chunk: Buffer) => {
      stdout += chunk.toString();
      const url = /GraphQL +(http\S+)\/graphql/.exec(stdout)?.[1];
      if (url && stdout.includes('curl '))
        resolve({ text: stdout, url, key: /Key +(\S+)/.exec(stdout)?.[1] });
    });
    child.on('exit', () => reject(new Error(`it exited before it was ready: ${stderr}`)));
  });
  ready.catch(() => undefined);

  return {
    pid: child.pid!,
    ready,
    exited: once(child, 'close').then(([code]) => ({ code, stdout, stderr })),
    stderr: () => stderr,
    memoryMb: () => Number(execFileSync('ps', ['-o', 'rss=', '-p', String(child.pid)]).toString()) / 1024,
    kill: (signal) => void child.kill(signal),
  };
}
