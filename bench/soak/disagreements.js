// Compares the database with what the clients of the soak test know, once all requests have their responses.

/** Returns by name how many rows differ; all are 0 if each acknowledged call was executed exactly once. */
export async function findDisagreements({ sql }, { state, acknowledged }) {
  const [{ orphans }] = await sql(
    'SELECT count(*)::int AS orphans FROM subscribers WHERE NOT EXISTS (SELECT FROM groups WHERE id = group_id)',
  );
  const events = await sql(
    `SELECT operation AS name, count(*)::int AS count FROM audit_events WHERE outcome = 'done' GROUP BY 1`,
  );
  const stored = new Map(events.map(({ name, count }) => [name, count]));
  const names = new Set([...stored.keys(), ...acknowledged.keys()]);
  const live = [...state.empty, ...state.occupied];
  const [groups, archived, subscribers] = await Promise.all([
    sql('SELECT id::text AS key FROM groups'),
    sql('SELECT id::text AS key FROM deleted_groups'),
    sql(
      `SELECT group_id || ' ' || username AS key FROM subscribers WHERE expires_at IS NULL OR expires_at > now()`,
    ),
  ]);
  return {
    orphans,
    'calls without their audit event, or events without their call': sum(
      [...names].map((name) => Math.abs((stored.get(name) ?? 0) - (acknowledged.get(name) ?? 0))),
    ),
    'groups that exist or do not': difference(
      groups,
      live.map(({ id }) => String(id)),
    ),
    'groups in the archive or not': difference(
      archived,
      [...state.deleted].map(({ id }) => String(id)),
    ),
    'subscriptions that are active or not': difference(
      subscribers,
      live.flatMap(({ id, usernames }) => usernames.map((username) => `${id} ${username}`)),
    ),
  };
}

const sum = (values) => values.reduce((total, value) => total + value, 0);

/** The number of keys that only one side has. */
function difference(rows, expected) {
  const stored = new Set(rows.map(({ key }) => key));
  const known = new Set(expected);
  return stored.symmetricDifference
    ? stored.symmetricDifference(known).size
    : [...stored].filter((key) => !known.has(key)).length +
        [...known].filter((key) => !stored.has(key)).length;
}
