import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { useDoctor } from '../support/doctor.ts';
import { createTestDatabase, urlAs, type TestDatabase } from '../support/test-database.ts';

const { target, run, examine } = useDoctor();

let own: TestDatabase;
beforeEach(async () => {
  own = await createTestDatabase();
  target.url = own.url;
});
afterEach(() => own.drop());

/** The first day of a month from now (UTC), such as `2030-01-01`. */
const monthFromNow = (months: number) => {
  const now = new Date();
  return new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + months, 1)).toISOString().slice(0, 10);
};
const nameOf = (table: string, months: number) =>
  `${table}_${monthFromNow(months).slice(0, 7).replace('-', '_')}`;
/** Makes the first partition end before the month, which has no partition then, and drops all later ones on request. */
const endBefore = (table: string, months: number, { isLast }: { isLast: boolean }) =>
  own.sql(`DROP TABLE ${table}_before_partitions ${isLast ? `, ${nameOf(table, 2)}, ${nameOf(table, 3)}` : ''};
    CREATE TABLE ${table}_before_partitions PARTITION OF ${table} FOR VALUES FROM (MINVALUE) TO ('${monthFromNow(months)}Z')`);
const guard = (
  table: string,
) => `CREATE TRIGGER audit_events_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ${table}
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_change()`;

test('doctor warns of a next month without a partition, whose command creates it', async () => {
  await endBefore('subscriber_history', 1, { isLast: true });
  expect((await examine()).of('partitions')).toStrictEqual([
    {
      name: 'partitions',
      state: 'warning',
      message:
        `subscriber_history has no partition for ${monthFromNow(1).slice(0, 7)}: its rows will be stored in ` +
        'subscriber_history_default, which no retention drops. Run `group-api partitions`, as a server does every minute',
    },
  ]);
  expect((await run('partitions')).stdout).toMatch(/^Created 3,/);
  expect((await examine()).of('partitions')).toMatchObject([{ state: 'ok' }]);
});

test('doctor warns of a month that is missing between others, whose command creates it', async () => {
  await endBefore('audit_events', 1, { isLast: false });
  await own.sql(guard('audit_events_before_partitions'));
  const [warning] = (await examine()).of('partitions');
  expect(warning).toMatchObject({
    state: 'warning',
    message: expect.stringMatching(/^audit_events has no partition for .* Run `group-api partitions`/),
  });
  expect((await run('partitions')).stdout).toMatch(/^Created 1,/);
  const { of } = await examine();
  expect([of('partitions'), of('audit')]).toMatchObject([[{ state: 'ok' }], [{ state: 'ok' }]]);
});

test('doctor says that the rows of a current month without a partition are in the default partition, and without that, that writes fail', async () => {
  await endBefore('subscriber_history', 0, { isLast: true });
  const insert = `INSERT INTO subscriber_history (group_id, username, starts_at) VALUES (1, 'ali', now())`;
  await own.sql(insert);
  const month = monthFromNow(0).slice(0, 7);
  expect((await examine()).of('partitions')).toMatchObject([
    {
      state: 'warning',
      message: expect.stringContaining(
        `no partition for ${month}: its rows are in subscriber_history_default, where they stay`,
      ),
    },
    { state: 'warning', message: expect.stringContaining('Run `group-api partitions`') },
  ]);
  await own.sql('DROP TABLE subscriber_history_default');
  await expect(own.sql(insert)).rejects.toThrow('no partition');
  const { isWrong, of } = await examine();
  expect([isWrong, of('partitions')[0]]).toMatchObject([
    true,
    { state: 'wrong', message: expect.stringContaining('nor a default one: writes of that month fail') },
  ]);
});

test('doctor warns of the constraint that an update has left on the first partition, with the SQL that drops it', async () => {
  await own.sql(`ALTER TABLE audit_events_before_partitions
    ADD CONSTRAINT before_partitions_check CHECK (at < 'infinity') NOT VALID`);
  const [warning] = (await examine()).of('partitions');
  expect(warning).toMatchObject({ state: 'warning' });
  await own.sql(warning!.message.replace(/^.*As the owner: /, ''));
  expect((await examine()).of('partitions')).toMatchObject([{ state: 'ok' }]);
});

test('doctor names the partitions whose trigger is disabled or missing, with the SQL that repairs them', async () => {
  const [disabled, missing] = [nameOf('audit_events', 2), nameOf('audit_events', 3)];
  await own.sql(`ALTER TABLE ${disabled} DISABLE TRIGGER audit_events_append_only;
    DROP TRIGGER audit_events_append_only ON ${missing}`);
  const [error] = (await examine()).of('audit');
  expect(error).toMatchObject({
    state: 'wrong',
    message: expect.stringContaining(`missing or disabled on ${disabled}, ${missing}. As the owner: `),
  });
  await own.sql(error!.message.replace(/^.*As the owner: /, ''));
  expect((await examine()).of('audit')).toMatchObject([{ state: 'ok' }]);
});

test('doctor warns of a privilege to change a partition of the audit log, and names the partition', async () => {
  const role = `group_api_doctor_${own.url.slice(-6)}`.replace(/\W/g, '_');
  const partition = nameOf('audit_events', 2);
  await own.sql(`CREATE ROLE ${role} LOGIN;
    GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO ${role};
    REVOKE UPDATE, DELETE ON audit_events, audit_events_default, audit_events_before_partitions, ${nameOf('audit_events', 3)} FROM ${role}`);
  target.url = urlAs(role, own.url);
  try {
    expect((await examine()).of('audit')).toMatchObject([
      {
        state: 'warning',
        message: expect.stringContaining(`REVOKE UPDATE, DELETE, TRUNCATE ON ${partition} FROM ${role}`),
      },
    ]);
  } finally {
    await own.sql(`DROP OWNED BY ${role}; DROP ROLE ${role}`);
  }
});
