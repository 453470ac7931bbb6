type Sql = <Row>(text: string) => Promise<Row[]>;

/** Reads from the audit log which events the feed has, in their order: one for each group of each executed call. */
export async function listExpectedEvents(sql: Sql): Promise<string[]> {
  const rows = await sql<{ id: string }>(
    `SELECT concat_ws('-', audit_events.id, index, (extract(epoch FROM at) * 1000)::bigint) AS id
     FROM audit_events,
       generate_series(0, CASE jsonb_typeof(before) WHEN 'array' THEN jsonb_array_length(before) ELSE 1 END - 1) AS index
     WHERE outcome = 'done' ORDER BY audit_events.id, index`,
  );
  return rows.map(({ id }) => id);
}
