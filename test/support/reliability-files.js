/** The test files that `npm run test:reliability` runs and `npm test` leaves out: they take long by nature. */
export const reliabilityFiles = [
  // Concurrency, crashes and lost connections, for a time or many times over.
  'reliability.crash',
  'reliability.ended-sessions',
  'reliability.lost-commit',
  'reliability.race',
  'embedded.recovery',
  'embedded.stale-lock',
  // Large data, and random data many times over.
  'autodialer.upload',
  'cli.transfer-property',
  'cli.transfer-scale',
  'groups.deletion-scale',
  // Real processes, one or more a test: every way to start, stop and install, and everything that doctor finds.
  'cli.doctor',
  'config.env-file',
  'contributing.new-field',
  'database.obstacles',
  'database.pooler',
  'database.url',
  'package',
  'start',
  'start.signals',
  'start.stopping',
  // A browser.
  'explorer.blocked-deletes',
  'explorer.browser',
];
