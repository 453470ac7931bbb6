import { common } from './jest.config.js';

// Run by `npm run test:databases`: deletes, subscribers, idempotency keys, the audit, the archive, accounts and transfer;
// through a pooler, the races and lost commits too.
export default {
  ...common,
  testRegex: [
    'test/(accounts/(command|credentials|tokens)|cli/groups|doctor/repair|group-deletion/(delete|expected|trusted)|' +
      'groups/(archive|price|read|search(?!-)|write)|mutations/|service-groups/|subscribers/|transfer/)[^/]*\\.test\\.ts$',
    ...(process.env.TEST_DATABASE_POOLER
      ? ['test/(reliability/(lost-commit|race)|cli/(operations|migrate))\\.test\\.ts$']
      : []),
  ],
  testPathIgnorePatterns: ['scale', 'property'],
};
