import { expect, test } from '@jest/globals';
import { useTestApp } from '../support/test-app.ts';

const app = useTestApp();

test('four clients that delete one group after another share a statement, instead of alternating between two', async () => {
  // Slow statements, so that the clients' own time does not matter.
  await app.sql(
    `CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.1); RETURN NULL; END $$;
     CREATE TRIGGER slow AFTER INSERT ON deleted_groups EXECUTE FUNCTION slow()`,
  );
  const ids: number[] = [];
  for (let n = 0; n < 52; n++) ids.push(await app.createGroup());
  const deleteEach = async (part: readonly number[]) => {
    for (const id of part) expect((await app.post('/deleteGroup', { id })).status).toBe(200);
  };
  // From these the server learns how long a statement takes.
  await deleteEach(ids.slice(40));

  await Promise.all([0, 10, 20, 30].map((first) => deleteEach(ids.slice(first, first + 10))));

  const statements = await app.sql(
    `SELECT DISTINCT xmin::text FROM audit_events WHERE operation = 'deleteGroup' AND target_ids && $1`,
    [ids.slice(0, 40).map(String)],
  );
  expect(40 / statements.length).toBeGreaterThan(2.5);
});
