import { common } from './jest.config.js';
import { reliabilityFiles } from './test/support/reliability-files.js';

// Run by `npm run test:reliability`: what takes long by nature, and the whole matrices.
export default {
  ...common,
  testMatch: reliabilityFiles.map((name) => `<rootDir>/test/${name}.test.ts`),
  coverageDirectory: 'coverage/reliability',
};
