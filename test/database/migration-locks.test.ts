import { expect, test } from '@jest/globals';
import pg from 'pg';
import { migrate } from '../../src/database/migrations.ts';
import { createOlderDatabase } from '../support/older-database.ts';
import { openSecondConnection } from '../support/second-connection.ts';
import { waitUntil } from '../support/wait-until.ts';

test('a migration that waits for a long transaction lets writes pass meanwhile, reports it, and continues after it', async () => {
  const database = await createOlderDatabase('0008_moved_subscribers');
  const pool = new pg.Pool({ connectionString: database.url, max: 4 });
  const insert = `INSERT INTO audit_events (account, credential, address, request_id, operation, outcome)
    VALUES ('a', 'api-key', '127.0.0.1', 'r', 'editGroup', 'done')`;
  const reader = await openSecondConnection(database);
  try {
    await reader.query('BEGIN');
    await reader.query('SELECT FROM audit_events');
    const reports: string[] = [];
    const migrating = migrate(pool, 'public', (line) => reports.push(line));
    await waitUntil(async () => reports.some((line) => line.includes('Waiting for a transaction')));
    // They pass between two attempts.
    for (let i = 0; i < 5; i++) await database.sql(insert);
    await reader.close();
    expect((await migrating).at(-1)).toMatch(/^\d{4}_/);
    expect(await database.sql('SELECT count(*)::int FROM audit_events')).toStrictEqual([{ count: 5 }]);
  } finally {
    await pool.end();
    await database.drop();
  }
});
