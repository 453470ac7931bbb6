import { reliabilityFiles } from './test/support/reliability-files.js';

/** What both commands have in common: see jest.reliability.config.js. */
export const common = {
  extensionsToTreatAsEsm: ['.ts'],
  transform: { '\\.ts$': ['@swc/jest', { jsc: { target: 'es2023' } }] },
  testRunner: '<rootDir>/test/support/shared-modules-runner.js',
  // With --coverage each file has its own realm, whose memory jest does not release.
  workerIdleMemoryLimit: '2GB',
  globalSetup: '<rootDir>/test/support/global-setup.js',
  globalTeardown: '<rootDir>/test/support/global-teardown.js',
  reporters: ['default', '<rootDir>/test/support/count-reporter.js'],
  // Tests wait for conditions: a limit is for what hangs, also on a machine that is several times slower.
  testTimeout: 90_000,
  // More than the cores of a small machine, since tests also wait: for PostgreSQL, processes and timers.
  maxWorkers: 3,
  // Collected with --coverage only, as `.github/workflows/ci.yml` does.
  coverageProvider: 'v8',
  // These run in the processes that the tests of serve/ spawn, out of sight of the count.
  collectCoverageFrom: [
    'src/**/*.ts',
    '!src/generated/**',
    '!src/main.ts',
    '!src/serve.ts',
    '!src/workers/**',
  ],
  coverageReporters: ['text-summary'],
};

// Run by `npm test`, which builds first: the cluster of the tests and the processes that they start come from dist/.
export default {
  ...common,
  testMatch: ['<rootDir>/test/**/*.test.ts', ...reliabilityFiles.map((name) => `!**/test/${name}.test.ts`)],
  coverageThreshold: { global: { lines: 90 } },
};
