import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, expect, test } from '@jest/globals';
import { createCommandLine } from '../support/command-line.ts';
import { useTestApp } from '../support/test-app.ts';
import { useTestFolder } from '../support/test-folder.ts';
import { emptyTables } from '../support/transfer.ts';

// After an import, new groups have ids above all those of the file.
const source = useTestApp();
const target = useTestApp();
const folder = useTestFolder();
const file = join(folder, 'plans.ndjson');
beforeEach(async () => {
  for (const app of [source, target]) await app.sql(emptyTables);
});

/**
 * Exports the groups, applies `change` to the header, imports the file into another database, and returns the next new
 * id there.
 */
const importElsewhere = async (change: (header: Record<string, unknown>) => void = () => undefined) => {
  expect(await createCommandLine(() => source).run('groups', 'export', file, '--force')).toMatchObject({
    code: 0,
  });
  const [header, ...rest] = (await readFile(file, 'utf8')).split('\n');
  const changed = JSON.parse(header!) as Record<string, unknown>;
  change(changed);
  await writeFile(file, [JSON.stringify(changed), ...rest].join('\n'));
  expect(await createCommandLine(() => target).run('groups', 'import', file)).toMatchObject({ code: 0 });
  const serviceGroup = await target.post('/createServiceGroup', { serviceGroup: { name: 's' } });
  const id = await target.createGroup();
  const ids = await target.sql<{ id: number }>(
    'SELECT id FROM groups UNION ALL SELECT id FROM deleted_groups',
  );
  return {
    id,
    serviceGroupId: serviceGroup.body.data.createServiceGroup.id,
    ids: ids.map((row) => row.id),
  };
};

/** Creates the groups 1 to 3, of which the last is archived. */
const fill = async () => {
  for (let n = 0; n < 3; n++) await source.createGroup();
  await source.post('/deleteGroup', { id: 3 });
};

test('after the import of a complete export, new ids are above the id of an archived group', async () => {
  await fill();
  const { id, ids } = await importElsewhere();
  expect([id, ids.toSorted((a, b) => a - b)]).toStrictEqual([4, [1, 2, 3, 4]]);
});

test('after the import of a file without lastIds, new ids are above the id of an archived group', async () => {
  await fill();
  const { id } = await importElsewhere((header) => delete header['lastIds']);
  expect(id).toBe(4);
});

test('after the import of a file without lastIds, new ids are above the id of a live group', async () => {
  await fill();
  await source.createGroup();
  const { id } = await importElsewhere((header) => delete header['lastIds']);
  expect(id).toBe(5);
});

test('after the import of a complete export, new ids are above the ids of purged groups', async () => {
  await fill();
  await source.post('/purgeDeletedGroup', { id: 3 });
  await source.post('/createServiceGroup', { serviceGroup: { name: 's' } });
  await source.post('/deleteServiceGroup', { id: 1 });
  const { id, serviceGroupId } = await importElsewhere();
  expect([id, serviceGroupId]).toStrictEqual([4, 2]);
});

test('after the import of a complete export, new ids are above the id of an expired group that no sequence assigned', async () => {
  await fill();
  await source.sql(
    `UPDATE deleted_groups SET id = 50, group_row = group_row || '{"id":50}', purge_at = now() WHERE id = 3`,
  );
  const { id, ids } = await importElsewhere();
  expect([id, ids.toSorted((a, b) => a - b)]).toStrictEqual([51, [1, 2, 51]]);
});

test('after the import of a file without lastIds, new ids are above the id of a service group', async () => {
  for (let n = 0; n < 2; n++) await source.post('/createServiceGroup', { serviceGroup: { name: 's' } });
  const { serviceGroupId } = await importElsewhere((header) => delete header['lastIds']);
  expect(serviceGroupId).toBe(3);
});

test('an import never lowers the next id', async () => {
  await fill();
  expect(await createCommandLine(() => source).run('groups', 'export', file, '--force')).toMatchObject({
    code: 0,
  });
  for (let n = 0; n < 3; n++) await source.createGroup();
  await source.sql('DELETE FROM groups WHERE id > 3');
  expect(await createCommandLine(() => source).run('groups', 'import', file)).toMatchObject({ code: 0 });
  expect(await source.createGroup()).toBe(7);
});
