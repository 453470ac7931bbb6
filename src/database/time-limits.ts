/** PostgreSQL's limits of time that are meant for requests. Not all versions have all of them. */
export const timeLimits: readonly string[] = [
  'lock_timeout',
  'statement_timeout',
  'transaction_timeout',
  'idle_in_transaction_session_timeout',
];

/** The statement that removes the limits of time from the current transaction, whose work may take long. */
export const removeTimeLimits = `
  SELECT set_config(name, '0', true) FROM pg_settings WHERE name IN (${timeLimits.map((name) => `'${name}'`).join(', ')})`;
