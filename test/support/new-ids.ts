import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, expect } from '@jest/globals';
import { createCommandLine } from './command-line.ts';
import { future } from './probes.ts';
import { useTestApp, type Json, type TestApp } from './test-app.ts';
import { useTestFolder } from './test-folder.ts';
import { emptyTables } from './transfer.ts';

export type Row = Record<string, Json>;
export type IdsByKind = Record<'serviceGroups' | 'groups' | 'deletedGroups', Record<string, number>>;

/**
 * For `groups import --new-ids`: plans move to a server that has its own plans, with the same ids. Before each test, both
 * servers are filled, and `file` is an export of the source.
 */
export function useNewIdsImport() {
  const source = useTestApp();
  const target = useTestApp();
  const folder = useTestFolder();
  const file = join(folder, 'plans.ndjson');
  const there = createCommandLine(() => source);
  const here = createCommandLine(() => target);

  const createServiceGroup = async (app: TestApp, serviceGroup: object): Promise<number> => {
    const { body } = await app.post('/createServiceGroup', { serviceGroup });
    return body.data.createServiceGroup.id;
  };
  /** Groups 1 to 4 in service groups 1 to 3: 3 is deleted, 4 is deleted and its service group too. 1 and 3 have history. */
  const fillSource = async () => {
    await source.sql(emptyTables);
    await createServiceGroup(source, { name: 'Family', description: 'shared', discount: 12.5 });
    await createServiceGroup(source, { name: 'Business', language: 'فارسی' });
    await createServiceGroup(source, { name: 'Removed' });
    await source.createGroup({
      name: 'One',
      serviceGroupId: 2,
      price: '123456789012.3457',
      ip: '10.0.0.0/8',
    });
    await source.createGroup({ name: 'Two', hidden: true, protected: true });
    await source.createGroup({ name: 'Three', serviceGroupId: 1, description: 'گروه 🎁' });
    await source.createGroup({ name: 'Four', serviceGroupId: 3 });
    await source.post('/subscribe', { groupId: 1, username: 'mina', expiresAt: future });
    await source.post('/subscribe', { groupId: 2, username: 'mina' });
    await source.sql(`INSERT INTO subscribers VALUES (2, 'ended', '2019-01-01Z', '2020-01-01Z')`);
    await source.sql(`INSERT INTO subscribers VALUES (3, 'sara', '2019-01-01Z', '2020-01-01Z')`);
    for (const id of [3, 4]) await source.post('/deleteGroup', { id, reason: `why ${id}` });
    await source.post('/subscribe', { groupId: 1, username: 'sara', expiresAt: future });
    await source.post('/removeUserSubscription', { groupId: 1, username: 'sara' });
    await source.post('/deleteServiceGroup', { id: 3 });
  };
  /** The target's own groups 1 to 3, with subscribers, an archived group, history, and a service group like the source's. */
  const fillTarget = async () => {
    await target.sql(emptyTables);
    await createServiceGroup(target, { name: 'Own' });
    await createServiceGroup(target, { name: 'Family', description: 'other', discount: 12.5 });
    for (const name of ['Own one', 'Own two', 'Own three'])
      await target.createGroup({ name, serviceGroupId: 1 });
    for (const groupId of [1, 2]) await target.post('/subscribe', { groupId, username: 'mina' });
    await target.post('/removeUserSubscription', { username: 'mina', groupId: 2 });
    await target.post('/deleteGroup', { id: 3 });
  };
  /** All rows that an import may change, by table and key. */
  const readTables = async (app: TestApp): Promise<Map<string, Row>> => {
    const rows = await app.sql<{ key: string; row: Row }>(
      `SELECT 'serviceGroup ' || id AS key, to_jsonb(service_groups) AS row FROM service_groups
       UNION ALL SELECT 'group ' || id, group_row(groups) FROM groups
       UNION ALL SELECT 'subscriber ' || group_id || ' ' || username, to_jsonb(subscribers) FROM subscribers
       UNION ALL SELECT 'deletedGroup ' || id, to_jsonb(deleted_groups) FROM deleted_groups
       UNION ALL SELECT concat_ws(' ', 'history', group_id, username), to_jsonb(subscriber_history) - 'id' FROM subscriber_history
       UNION ALL SELECT 'sequence of groups', jsonb_build_array(last_value, is_called) FROM groups_id_seq
       UNION ALL SELECT 'sequence of service groups', jsonb_build_array(last_value, is_called) FROM service_groups_id_seq`,
    );
    return new Map(rows.map(({ key, row }) => [key, row]));
  };
  const withoutSequences = (rows: Map<string, Row>) =>
    new Map([...rows].filter(([key]) => !key.startsWith('sequence')));
  const importEvents = () =>
    target.sql<Row>(
      `SELECT outcome, error_code, target_ids, after FROM audit_events WHERE operation = 'groups import' ORDER BY id`,
    );
  const lastEvent = async () => (await importEvents()).at(-1)!;
  const importNew = async (...options: string[]) => {
    const { code, stdout, stderr } = await here.run(
      'groups',
      'import',
      file,
      '--new-ids',
      '--json',
      ...options,
    );
    expect([code, stderr]).toStrictEqual([0, '']);
    return JSON.parse(stdout) as { newIds: IdsByKind; isDryRun: boolean } & Row;
  };
  const editFile = async (edit: (lines: Row[]) => Row[]) => {
    const lines = (await readFile(file, 'utf8')).trimEnd().split('\n');
    const edited = edit(lines.map((line) => JSON.parse(line)));
    await writeFile(file, edited.map((line) => `${JSON.stringify(line)}\n`).join(''));
  };

  beforeEach(async () => {
    await fillSource();
    await fillTarget();
    expect(await there.run('groups', 'export', file, '--force')).toMatchObject({ code: 0 });
  });
  return {
    source,
    target,
    folder,
    file,
    there,
    here,
    createServiceGroup,
    readTables,
    withoutSequences,
    importEvents,
    lastEvent,
    importNew,
    editFile,
  };
}
