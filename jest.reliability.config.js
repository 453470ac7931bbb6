import { execFileSync } from 'node:child_process';
import { common } from './jest.config.js';
import { reliabilityFiles } from './test/support/reliability-files.js';

/** A shallow clone has no earlier commit, which one test builds. */
const isShallow = execFileSync('git', ['rev-parse', '--is-shallow-repository']).toString().trim() === 'true';
if (isShallow)
  console.warn('database/previous-version is left out of a shallow clone: git fetch --unshallow');
const files = reliabilityFiles.filter((name) => !isShallow || name !== 'database/previous-version');

// Run by `npm run test:reliability`: what takes long by nature, and the whole matrices.
export default {
  ...common,
  testMatch: files.map((name) => `<rootDir>/test/${name}.test.ts`),
};
