import { expect, test } from '@jest/globals';
import { startServer } from './support/server-process.ts';
import { createTestDatabase } from './support/test-database.ts';
import { waitUntil } from './support/wait-until.ts';

test('a signal ends a start that waits for the migration of another server, and nothing is migrated', async () => {
  const database = await createTestDatabase({ isEmpty: true });
  const migrationLock = 72_707_369;
  try {
    await database.sql(`SELECT pg_advisory_lock(${migrationLock})`);
    const server = startServer({ DATABASE_URL: database.url });
    await waitUntil(() => server.stderr().includes('Waiting for another program that is migrating'));
    server.kill('SIGTERM');
    expect(await server.exited).toMatchObject({ code: 0 });
    expect(await database.sql('SELECT FROM pg_tables WHERE schemaname = $1', ['public'])).toStrictEqual([]);
  } finally {
    await database.drop();
  }
});
