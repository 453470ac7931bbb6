import { spawn, type ChildProcess } from 'node:child_process';
import { cp, mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createTestFolder } from './test-folder.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** A command of a copy, while it runs and afterwards. */
export type CommandOfCopy = {
  readonly process: ChildProcess;
  /** What it has written to standard error so far. */
  stderr(): string;
  readonly ended: Promise<{ readonly code: number | null; readonly stdout: string; readonly stderr: string }>;
};

/** A copy of the program with additional migrations, as a later version has them. */
export type ProgramCopy = {
  addMigration(name: string, sql: string): Promise<void>;
  /** Starts a command in its own process. */
  start(url: string, ...args: string[]): CommandOfCopy;
  remove(): Promise<void>;
};

export async function copyProgram(): Promise<ProgramCopy> {
  const folder = await createTestFolder();
  for (const name of ['dist', 'prisma', 'package.json', 'schema.graphql'])
    await cp(join(root, name), join(folder, name), { recursive: true });
  await symlink(join(root, 'node_modules'), join(folder, 'node_modules'));
  return {
    async addMigration(name, sql) {
      await mkdir(join(folder, 'prisma/migrations', name), { recursive: true });
      await writeFile(join(folder, 'prisma/migrations', name, 'migration.sql'), sql);
    },
    start(url, ...args) {
      const child = spawn(process.execPath, [join(folder, 'dist/main.js'), ...args], {
        cwd: folder,
        env: { PATH: process.env['PATH'], DATABASE_URL: url },
      });
      let [stdout, stderr] = ['', ''];
      child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
      child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
      const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
      return {
        process: child,
        stderr: () => stderr,
        ended: ended.then((code) => ({ code, stdout, stderr })),
      };
    },
    remove: () => rm(folder, { recursive: true, force: true }),
  };
}
