import { beforeEach, describe, expect, test } from '@jest/globals';
import type { Config } from '../../src/config/settings.ts';
import { createAutodialerClient } from '../support/autodialer.ts';
import { openTestApp, type TestApp } from '../support/test-app.ts';
import { waitUntil } from '../support/wait-until.ts';

describe('the clean-up of the autodialer', () => {
  let aged: TestApp;
  const client = createAutodialerClient(() => aged);
  beforeEach(async () => {
    aged = await openTestApp();
  });

  /** The clean-up runs at the start, and then every minute. */
  const restart = async (settings: Partial<Config>) => {
    const again = await openTestApp(settings, { ...aged, drop: async () => undefined });
    await waitUntil(async () => {
      const [left] = await aged.sql(
        `SELECT (SELECT count(*) FROM number_lists WHERE unused_since < now() - interval '1 day')
           + (SELECT count(*) FROM deleted_number_groups WHERE purge_at < now()) AS count`,
      );
      return Number(left!['count']) === 0;
    });
    await again.close();
  };

  test.each([
    ['with AUTODIALER=true', { AUTODIALER: true }],
    ['with AUTODIALER=false as well', { AUTODIALER: false }],
  ])(
    '%s, the clean-up removes unused files after a day, replaced numbers, and groups after their retention',
    async (_, settings) => {
      const kept = await client.addGroup({ numbers: ['1'] });
      const { body: fresh } = await client.upload('10\n');
      const { body: stale } = await client.upload('20\n');
      const replaced = await client.addGroup({ numbers: ['30'] });
      await client.call('update', { _id: replaced, numbers: ['31'] });
      const removed = await client.addGroup({ numbers: ['40'] });
      const old = await client.addGroup({ numbers: ['50'] });
      for (const id of [removed, old]) await client.call('remove', { _id: id });
      await aged.sql(
        `UPDATE number_lists SET unused_since = now() - interval '25 hours'
       WHERE unused_since IS NOT NULL AND filename IS DISTINCT FROM $1`,
        [fresh.data.filename],
      );
      await aged.sql(
        `UPDATE deleted_number_groups SET purge_at = now() - interval '1 second' WHERE id = $1`,
        [old],
      );

      expect(
        (await client.call('add', { name: 'late', filename: stale.data.filename })).body.message,
      ).toMatch(/older than a day/);
      await restart(settings);

      const numbersLeft = async () =>
        (
          await aged.sql<{ number: string }>(
            `SELECT unnest(numbers) AS number FROM number_list_chunks ORDER BY 1`,
          )
        ).map(({ number }) => number);
      // The purged group's numbers are removed a day later, like all unused lists.
      expect(await numbersLeft()).toStrictEqual(['1', '10', '31', '40', '50']);
      await aged.sql(`UPDATE number_lists SET unused_since = now() - interval '25 hours'
      WHERE unused_since IS NOT NULL AND filename IS NULL`);
      await restart(settings);
      expect(await numbersLeft()).toStrictEqual(['1', '10', '31', '40']);
      expect(await client.numbersOf(kept)).toStrictEqual(['1']);
      expect(
        await aged.sql(`SELECT target_ids FROM audit_events WHERE operation = 'autodialer/groups/purge'`),
      ).toStrictEqual([{ target_ids: [old] }]);
      await aged.close();
    },
  );
});
