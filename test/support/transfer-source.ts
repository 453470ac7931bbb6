import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, expect } from '@jest/globals';
import { createCommandLine } from './command-line.ts';
import { future } from './probes.ts';
import { useTestApp } from './test-app.ts';
import { useTestFolder } from './test-folder.ts';
import { emptyTables } from './transfer.ts';

/** Opens a server whose database has the same groups before each test: `ids` are theirs. Exports go to `file`. */
export function useTransferSource() {
  const app = useTestApp();
  const folder = useTestFolder();
  const file = join(folder, 'plans.ndjson');
  const here = createCommandLine(() => app);

  /**
   * Creates a service group with two groups, of which one is deleted, and a group without one; each live group has a
   * subscriber.
   */
  const fill = async () => {
    await app.sql(emptyTables);
    const serviceGroup = { name: 'Family', description: 'd', language: 'فارسی', discount: 12.345 };
    const { body } = await app.post('/createServiceGroup', { serviceGroup });
    const serviceGroupId = body.data.createServiceGroup.id;
    const ids = {
      full: await app.createGroup({
        name: 'Full "quoted" \\ ',
        description: 'گروه 🎁',
        price: '123456789012.3457',
        usernamePostfix: '@full',
        usernamePostfixId: 'f1',
        dailyBandwidth: '10GB',
        multiLoginCount: 3,
        downloadUpload: '100/100',
        ip: '2001:db8::/32',
        serviceGroupId,
        hidden: true,
        protected: true,
      }),
      plain: await app.createGroup(),
      deleted: await app.createGroup({ name: 'Deleted', serviceGroupId }),
      purged: await app.createGroup(),
    };
    await app.post('/editGroup', { id: ids.full, group: { duration: 31 } });
    await app.post('/subscribe', { groupId: ids.full, username: 'علی', expiresAt: future });
    await app.post('/subscribe', { groupId: ids.full, username: 'Zoë' });
    await app.sql(`INSERT INTO subscribers VALUES ($1, 'ended', '0001-01-01Z', '2020-01-01Z')`, [ids.plain]);
    for (const id of [ids.deleted, ids.purged]) await app.post('/deleteGroup', { id, reason: 'why' });
    await app.post('/purgeDeletedGroup', { id: ids.purged });
    return { serviceGroupId, ...ids };
  };
  const ids = {} as Awaited<ReturnType<typeof fill>>;
  beforeEach(async () => {
    Object.assign(ids, await fill());
  });

  const exportAgain = async (...options: string[]) => {
    const answer = await here.run('groups', 'export', file, '--force', ...options);
    expect(answer).toMatchObject({ code: 0, stderr: '' });
  };
  const readLines = async (path = file) => (await readFile(path, 'utf8')).trimEnd().split('\n');
  return { app, ids, folder, file, here, exportAgain, readLines };
}
