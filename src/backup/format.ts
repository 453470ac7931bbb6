import Type, { type Static, type TSchema } from 'typebox';
import { Check } from 'typebox/value';
import { OperatorError } from '../errors.ts';

// A backup is a gzip file. Uncompressed, it is a sequence of records, each one line of JSON: a header; pieces of the
// tables, each followed by that many bytes of PostgreSQL's COPY text; and an end with the checksums.

export const formatName = 'group-api backup';
export const formatVersion = 1;

/** The maximum number of bytes of a line, and of a piece: what a reader has in memory. */
export const maxRecordBytes = 1024 * 1024;

const Count = Type.Integer({ minimum: 0 });
const Sha256 = Type.String({ pattern: '^[0-9a-f]{64}$' });
const Names = Type.Array(Type.String());

const Header = Type.Object({
  kind: Type.Literal('header'),
  format: Type.Literal(formatName),
  version: Type.Integer(),
  /** The time of the snapshot. */
  createdAt: Type.String(),
  postgresVersion: Type.String(),
  /** The migrations that are applied to the database, in order. */
  migrations: Type.Array(Type.String(), { minItems: 1 }),
  /** In the order in which they are restored: a table comes after those that its foreign keys refer to. */
  tables: Type.Array(Type.Object({ name: Type.String(), columns: Names })),
  sequences: Type.Array(
    Type.Object({
      name: Type.String(),
      /** A string, since it may exceed the range of a JSON number. */
      lastValue: Type.String({ pattern: '^-?[0-9]{1,19}$' }),
      isCalled: Type.Boolean(),
    }),
  ),
});

const Piece = Type.Object({
  kind: Type.Literal('rows'),
  table: Type.String(),
  bytes: Type.Integer({ minimum: 1, maximum: maxRecordBytes }),
});

const End = Type.Object({
  kind: Type.Literal('end'),
  tables: Type.Array(Type.Object({ name: Type.String(), rows: Count, sha256: Sha256 })),
  /** Of everything before this line. */
  sha256: Sha256,
});

export type BackupHeader = Static<typeof Header>;
export type BackupEnd = Static<typeof End>;
type BackupRecord = BackupHeader | Static<typeof Piece> | BackupEnd;

/** Writes a record as a line. The bytes of a piece follow it. */
export function writeRecord(record: BackupRecord): Buffer {
  return Buffer.from(JSON.stringify(record) + '\n');
}

/** @throws OperatorError if the line is not the header of a backup, or one of a newer version of the format. */
export function parseHeader(line: Buffer): BackupHeader {
  const json = parseJson(line);
  const isBackup = json instanceof Object && 'format' in json && json.format === formatName;
  if (!isBackup) throw notABackup();
  if ('version' in json && json.version !== formatVersion) {
    throw new OperatorError(
      `The backup has version ${JSON.stringify(json.version)} of the format, and this version of group-api reads ` +
        `version ${formatVersion}. Update group-api`,
    );
  }
  return parseAs(Header, json);
}

/** @throws OperatorError if the line is neither a piece of a table nor the end. */
export function parseRecord(line: Buffer): Exclude<BackupRecord, BackupHeader> {
  return parseAs(Type.Union([Piece, End]), parseJson(line));
}

function parseAs<Schema extends TSchema>(schema: Schema, json: unknown): Static<Schema> {
  if (!Check(schema, json)) throw damaged('it contains an invalid record');
  return json;
}

function parseJson(line: Buffer): unknown {
  try {
    return JSON.parse(line.toString());
  } catch {
    return undefined;
  }
}

export function notABackup(): OperatorError {
  return new OperatorError(
    'The file is not a backup of group-api. Pass a file of `group-api backup`; a file of `groups export` is for `groups import`',
  );
}

export function truncated(): OperatorError {
  return new OperatorError(
    'The backup is truncated: its end is missing. Copy the file again, or use another backup',
  );
}

export function damaged(problem: string): OperatorError {
  return new OperatorError(`The backup is damaged: ${problem}. Copy the file again, or use another backup`);
}
