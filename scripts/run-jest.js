import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');

/** Runs jest with one of our configurations, and returns whether all tests have passed. */
export function runJest(config, args = [], environment = {}) {
  const { status } = spawnSync(
    process.execPath,
    ['--experimental-vm-modules', 'node_modules/jest/bin/jest.js', `--config=${config}`, ...args],
    { cwd: root, stdio: 'inherit', env: { ...process.env, ...environment } },
  );
  return status === 0;
}
