import { createHash } from 'node:crypto';
import type { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { OperatorError } from '../errors.ts';
import { createByteReader } from './byte-reader.ts';
import {
  damaged,
  maxRecordBytes,
  notABackup,
  parseHeader,
  parseRecord,
  truncated,
  type BackupEnd,
  type BackupHeader,
} from './format.ts';
import { countRows } from './row-count.ts';

/** A table with its rows, as COPY text in pieces of at most `maxRecordBytes`. Read them before the next table. */
type TableRows = BackupHeader['tables'][number] & { readonly rows: AsyncIterable<Buffer> };

export type BackupReader = {
  readonly header: BackupHeader;
  /** All tables of the header, in its order, also the empty ones. */
  readonly tables: AsyncIterable<TableRows>;
  /** Returns the verified end, after all tables were read. */
  readonly readEnd: () => Promise<BackupEnd>;
  /** Stops reading, also in the middle. */
  readonly close: () => void;
};

/**
 * Reads the header of a backup, and then its tables, in bounded memory. Each table and the whole are compared with
 * their checksums as soon as they are read.
 * @throws OperatorError if the file is not a backup, truncated or altered, or cannot be read.
 */
export async function openBackup(file: Readable): Promise<BackupReader> {
  const gunzip = createGunzip();
  let compressedBytes = 0;
  file.on('data', (chunk: Buffer) => (compressedBytes += chunk.length));
  file.once('error', (error) => gunzip.destroy(error));
  file.pipe(gunzip);
  const reader = createByteReader(explainErrors(gunzip));
  const whole = createHash('sha256');

  const readLine = async (): Promise<Buffer> => {
    const line = await reader.readLine(maxRecordBytes);
    if (line === undefined) throw truncated();
    return line;
  };
  const headerLine = await reader.readLine(maxRecordBytes);
  if (headerLine === undefined) throw notABackup();
  const header = parseHeader(headerLine);
  whole.update(headerLine);

  const checksums: BackupEnd['tables'] = [];
  let record: ReturnType<typeof parseRecord>;
  const readRecord = async () => {
    const line = await readLine();
    record = parseRecord(line);
    if (record.kind === 'rows') whole.update(line);
  };

  async function* readRows(name: string): AsyncGenerator<Buffer> {
    const hash = createHash('sha256');
    let rowCount = 0;
    for (; record.kind === 'rows' && record.table === name; await readRecord()) {
      const piece = await reader.readBytes(record.bytes);
      if (piece === undefined) throw truncated();
      whole.update(piece);
      hash.update(piece);
      rowCount += countRows(piece);
      yield piece;
    }
    checksums.push({ name, rows: rowCount, sha256: hash.digest('hex') });
  }

  return {
    header,
    tables: (async function* () {
      await readRecord();
      for (const table of header.tables) yield { ...table, rows: readRows(table.name) };
    })(),
    async readEnd() {
      if (record.kind !== 'end') throw damaged(`it contains rows of the unexpected table ${record.table}`);
      const end = record;
      for (const [index, { name, rows, sha256 }] of checksums.entries()) {
        const expected = end.tables[index];
        if (expected?.name !== name || expected.rows !== rows || expected.sha256 !== sha256)
          throw damaged(`the rows of the table ${name} do not match their checksum`);
      }
      if (end.tables.length !== checksums.length || whole.digest('hex') !== end.sha256)
        throw damaged('its content does not match its checksum');
      if (!(await reader.isAtEnd()) || gunzip.bytesWritten !== compressedBytes)
        throw damaged('it continues after its end');
      return end;
    },
    close() {
      file.destroy();
      gunzip.destroy();
    },
  };
}

async function* explainErrors(gunzip: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let isEmpty = true;
  try {
    for await (const chunk of gunzip) {
      isEmpty = false;
      yield chunk;
    }
  } catch (error) {
    const { code, syscall, message } = error as NodeJS.ErrnoException;
    if (syscall !== undefined) throw new OperatorError(`Cannot read the backup: ${message}`);
    if (code === 'Z_BUF_ERROR') throw isEmpty ? notABackup() : truncated();
    if (code?.startsWith('Z_')) throw isEmpty ? notABackup() : damaged('it cannot be decompressed');
    throw error;
  }
}
