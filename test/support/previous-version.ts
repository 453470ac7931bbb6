import { execFile } from 'node:child_process';
import { rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { createTestFolder } from './test-folder.ts';

const run = promisify(execFile);
const root = fileURLToPath(new URL('../..', import.meta.url));

/** The last commit whose newest migration is 0008_moved_subscribers. */
const commit = '76ffd73d94f245c0d3678f47851518507b3b0281';

/** Builds the version before the migrations of this one, with the same libraries, in a folder. */
export async function buildPreviousVersion(): Promise<{ readonly main: string; remove(): Promise<void> }> {
  const folder = await createTestFolder();
  const archive = join(folder, 'version.tar');
  await run('git', ['archive', '--output', archive, commit], { cwd: root });
  await run('tar', ['-xf', archive, '-C', folder]);
  await symlink(join(root, 'node_modules'), join(folder, 'node_modules'));
  await run('npm', ['run', 'build'], { cwd: folder });
  return {
    main: join(folder, 'dist/main.js'),
    remove: () => rm(folder, { recursive: true, force: true }),
  };
}
