import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import pg from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import { migrate, readMigrations } from '../database/migrations.ts';
import { OperatorError, OutcomeUnknownError } from '../errors.ts';
import { listColumns, qualify, replacedTables } from './catalogue.ts';
import { inTransaction, type Connection } from './connection.ts';
import { damaged, type BackupEnd, type BackupHeader } from './format.ts';
import type { BackupReader } from './read-backup.ts';
import { countRows } from './row-count.ts';
import { requireEmpty, requireMatchingTables, requireOwner, requireWritable } from './restore-target.ts';

type RestoreOptions = {
  readonly onProgress: (rowCount: number) => void;
  readonly signal: AbortSignal;
};

/** @throws OperatorError if this version of group-api does not know the migrations of the backup. */
export async function requireKnownMigrations({ migrations }: BackupHeader): Promise<void> {
  const ownNames = (await readMigrations()).map(({ name }) => name);
  const unknown = migrations.find((name) => !ownNames.includes(name));
  if (unknown === undefined) return;
  throw new OperatorError(
    `The backup has the migration ${unknown}, which is unknown to this version of group-api. Update group-api`,
  );
}

/**
 * Restores a backup into an empty database, in one transaction: all rows, with their ids and times, and the sequences.
 * Checksums are verified before the commit. A database without tables gets the migrations of the backup first; later
 * migrations stay pending. Returns the end of the backup.
 * @throws OperatorError if the backup is damaged, or the database is not empty, has other migrations or belongs to
 * another role: the tables are unchanged. OutcomeUnknownError if the connection was lost during the commit.
 */
export async function restoreBackup(
  connection: Connection,
  { header, tables, readEnd }: BackupReader,
  { onProgress, signal }: RestoreOptions,
): Promise<BackupEnd> {
  const { pool, schema } = connection;
  await requireWritable(connection);
  // Of an empty database, even those migrations are fast that report what they do.
  await migrate(pool, schema, undefined, header.migrations.at(-1));
  await requireMatchingTables(pool, connection, header);
  await requireOwner(connection, header);
  const lock = {
    begin: 'BEGIN TRANSACTION ISOLATION LEVEL READ COMMITTED, READ WRITE',
    tables: header.tables.map(({ name }) => qualify(schema, name)),
    lockMode: 'ACCESS EXCLUSIVE',
  };
  let isCommitting = false;
  try {
    return await inTransaction(pool, lock, async (client) => {
      // Again: a server may have migrated or filled the database before the tables were locked.
      await requireMatchingTables(client, connection, header);
      await requireEmpty(client, connection, header);
      let rowCount = 0;
      for await (const { name, columns, rows } of tables) {
        // The times of the migrations come from the backup: `repair-dates` compares them with those of the rows.
        if (replacedTables.includes(name)) await client.query(`DELETE FROM ${qualify(schema, name)}`);
        const count = async function* (pieces: AsyncIterable<Buffer>) {
          for await (const piece of pieces) {
            yield piece;
            onProgress((rowCount += countRows(piece)));
          }
        };
        const copy = copyFrom(`COPY ${qualify(schema, name)} (${listColumns(columns)}) FROM STDIN`);
        client.query(copy);
        await pipeline(Readable.from(rows, { highWaterMark: 1 }), count, copy, { signal });
      }
      const end = await readEnd();
      await client.query(`ANALYZE ${lock.tables.join(', ')}`);
      // Last, since setval is not transactional.
      for (const { name, lastValue, isCalled } of header.sequences)
        await client.query('SELECT setval($1, $2, $3)', [qualify(schema, name), lastValue, isCalled]);
      isCommitting = true;
      return end;
    });
  } catch (error) {
    if (isCommitting && !(error instanceof pg.DatabaseError)) throw new OutcomeUnknownError(error);
    throw explainRejectedRows(error);
  }
}

/** Rows that PostgreSQL rejects were not written by a backup of these tables. */
function explainRejectedRows(error: unknown): unknown {
  const isRejected = error instanceof pg.DatabaseError && /^2[23]/.test(error.code ?? '');
  return isRejected ? damaged(`PostgreSQL rejects its rows (${error.message})`) : error;
}
