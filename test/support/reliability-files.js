/** The test files that `npm run test:reliability` runs and `npm test` leaves out: they take long by nature. */
export const reliabilityFiles = [
  // Concurrency, crashes and lost connections, for a time or many times over.
  'reliability.crash',
  'reliability.ended-sessions',
  'reliability.lost-commit',
  'reliability.race',
  'database.away',
  'database/failover',
  'database/unknown-commit',
  'failover/rehearsal',
  'embedded.recovery',
  'embedded.stale-lock',
  // Large data, and random data many times over.
  'autodialer.upload',
  'cli.transfer-property',
  'cli.transfer-scale',
  'groups.deletion-scale',
  'groups.nested-lists',
  'hostile.arguments',
  'hostile.autodialer',
  'hostile.requests',
  // Every operation, for every kind of caller.
  'accounts.matrix',
  // Real processes, one or more a test: every way to start, stop and install, and everything that doctor finds.
  'cli.doctor',
  'cli.serve',
  'cli.transfer-processes',
  'config.env-file',
  'contributing.new-field',
  'database.obstacles',
  'database.pooler',
  'database.schema-variants',
  'database.url',
  'package',
  'start',
  'start.signals',
  'start.stopping',
  // The server checks the files of a certificate every five seconds.
  'http.tls-renewal',
  // A browser: themes, sizes and accessibility.
  'explorer.blocked-deletes',
  'explorer.browser',
];
