import { common } from './jest.config.js';

// Run by `npm run test:databases`: deletes, subscribers, idempotency keys, the audit, the archive, accounts and transfer;
// through a pooler, the races too.
export default {
  ...common,
  testRegex: [
    'test/(groups\\.(archive|delete|trusted|write|read|search|dry|expected|price)|subscribers|idempotency|audit|' +
      'accounts\\.(command|credentials|tokens)|cli\\.(transfer|groups|repair)|service-groups|mutations)[^/]*\\.test\\.ts$',
    ...(process.env.TEST_DATABASE_POOLER
      ? ['test/(reliability[./]race|cli[./](operations|migrate))\\.test\\.ts$']
      : []),
  ],
  testPathIgnorePatterns: ['scale', 'property'],
};
