import { createHash } from 'node:crypto';
import { Readable, type Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import type pg from 'pg';
import { to as copyTo } from 'pg-copy-streams';
import { inspectMigrations } from '../database/migrations.ts';
import { findMigrationProblems } from '../database/migration-problems.ts';
import { OperatorError } from '../errors.ts';
import { listColumns, qualify, readCatalogue, readSequences, type Catalogue } from './catalogue.ts';
import { inTransaction, type Connection } from './connection.ts';
import {
  formatName,
  formatVersion,
  maxRecordBytes,
  writeRecord,
  type BackupEnd,
  type BackupHeader,
} from './format.ts';
import { countRows } from './row-count.ts';

type BackupOptions = { readonly onProgress: (rowCount: number) => void; readonly signal: AbortSignal };

/** What a backup contains. */
export type BackupSummary = { readonly header: BackupHeader; readonly end: BackupEnd };

/** Three times as fast as the default level, for a tenth more bytes. */
const compressionLevel = 3;

/**
 * Writes a consistent snapshot of all tables of group-api and their sequences to `destination`, compressed. The server
 * continues to read and write; migrations wait. Applies backpressure, and keeps a few pieces in memory.
 * @throws OperatorError if the database has no tables of group-api or unknown migrations, or the user lacks a
 * privilege; any error of the destination.
 */
export async function writeBackup(
  { pool, schema, description, postgresVersion }: Connection,
  { onProgress, signal }: BackupOptions,
  destination: Writable,
): Promise<BackupSummary> {
  const state = await readState(pool, schema);
  if (state.migrations.length === 0)
    throw new OperatorError(
      `${description} has no tables of group-api in the schema ${schema}: nothing to back up`,
    );
  await requirePrivileges(pool, schema, state);
  const lock = {
    begin: 'BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY',
    tables: state.tables.map(({ name }) => qualify(schema, name)),
    lockMode: 'ACCESS SHARE',
  };
  return inTransaction(pool, lock, async (client) => {
    const { migrations, tables, sequences } = await readState(client, schema);
    if (JSON.stringify([migrations, tables]) !== JSON.stringify([state.migrations, state.tables]))
      throw new OperatorError('The database was migrated while the backup started. Start the backup again');
    const { rows } = await client.query<{ now: Date }>('SELECT now()');
    const header: BackupHeader = {
      kind: 'header',
      format: formatName,
      version: formatVersion,
      createdAt: rows[0]!.now.toISOString(),
      postgresVersion,
      migrations,
      tables,
      // Not of the snapshot, but of a later time: no id of the snapshot is above them.
      sequences: await readSequences(client, schema, sequences),
    };
    let end: BackupEnd | undefined;
    const records = writeRecords(header, (table) => copyRows(client, schema, table), {
      onProgress,
      onEnd: (record) => (end = record),
    });
    await pipeline(
      Readable.from(records, { highWaterMark: 1 }),
      createGzip({ level: compressionLevel }),
      destination,
      { signal },
    );
    return { header, end: end! };
  });
}

/** The applied migrations with the tables that they have created. */
type State = Catalogue & { readonly migrations: string[] };

async function readState(client: pg.Pool | pg.PoolClient, schema: string): Promise<State> {
  const state = await inspectMigrations(client, schema);
  // Tables that a pending migration will find in its way do not matter here.
  const [problem] = findMigrationProblems({ ...state, obstacles: [] }, schema);
  if (problem !== undefined) throw new OperatorError(problem);
  const migrations = [...state.applied];
  return { migrations, ...(await readCatalogue(client, schema, migrations)) };
}

/** @throws OperatorError that has the GRANTs which the user lacks. */
async function requirePrivileges(pool: pg.Pool, schema: string, { tables, sequences }: State): Promise<void> {
  const names = [...tables.map(({ name }) => name), ...sequences].map((name) => qualify(schema, name));
  const { rows } = await pool.query<{ name: string; kind: string; user: string }>(
    `SELECT name, CASE WHEN relkind = 'S' THEN 'SEQUENCE' ELSE 'TABLE' END AS kind, quote_ident(current_user) AS user
     FROM unnest($1::text[]) WITH ORDINALITY AS listed (name, place) JOIN pg_class ON oid = name::regclass
     WHERE NOT CASE WHEN relkind = 'S' THEN has_sequence_privilege(oid, 'SELECT') ELSE has_table_privilege(oid, 'SELECT') END
     ORDER BY place`,
    [names],
  );
  if (rows.length === 0) return;
  const grants = rows.map(({ kind, name, user }) => `GRANT SELECT ON ${kind} ${name} TO ${user}`);
  throw new OperatorError(`The database user may not read all tables. As their owner: ${grants.join('; ')}`);
}

type Table = BackupHeader['tables'][number];

type RecordOptions = {
  readonly onProgress: (rowCount: number) => void;
  readonly onEnd: (end: BackupEnd) => void;
};

/** Writes all records of a backup, in pieces of at most `maxRecordBytes`. */
async function* writeRecords(
  header: BackupHeader,
  readRows: (table: Table) => AsyncIterable<Buffer>,
  { onProgress, onEnd }: RecordOptions,
): AsyncGenerator<Buffer> {
  const whole = createHash('sha256');
  const hashed = (bytes: Buffer) => {
    whole.update(bytes);
    return bytes;
  };
  const checksums: BackupEnd['tables'] = [];
  let rowCount = 0;
  yield hashed(writeRecord(header));
  for (const table of header.tables) {
    const hash = createHash('sha256');
    const rowsBefore = rowCount;
    for await (const piece of readRows(table)) {
      yield hashed(writeRecord({ kind: 'rows', table: table.name, bytes: piece.length }));
      yield hashed(piece);
      hash.update(piece);
      onProgress((rowCount += countRows(piece)));
    }
    checksums.push({ name: table.name, rows: rowCount - rowsBefore, sha256: hash.digest('hex') });
  }
  const end: BackupEnd = { kind: 'end', tables: checksums, sha256: whole.digest('hex') };
  onEnd(end);
  yield writeRecord(end);
}

/** Reads the rows of a table as COPY text, in no particular order. */
async function* copyRows(
  client: pg.PoolClient,
  schema: string,
  { name, columns }: Table,
): AsyncGenerator<Buffer> {
  // COPY of a table itself would leave out the partitions.
  const query = `SELECT ${listColumns(columns)} FROM ${qualify(schema, name)}`;
  const copy = copyTo(`COPY (${query}) TO STDOUT`);
  client.query(copy);
  for await (const chunk of copy as AsyncIterable<Buffer>) {
    for (let at = 0; at < chunk.length; at += maxRecordBytes) yield chunk.subarray(at, at + maxRecordBytes);
  }
}
