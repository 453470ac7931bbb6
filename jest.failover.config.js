import { common } from './jest.config.js';

// Run by `npm run test:failover`. Without the PostgreSQL of the other tests, which would outlive Ctrl-C.
export default {
  ...common,
  globalSetup: null,
  globalTeardown: null,
  testMatch: ['<rootDir>/test/failover/rehearsal.test.ts'],
};
