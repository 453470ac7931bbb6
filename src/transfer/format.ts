import { badInput } from '../errors.ts';
import type { RowJson } from '../database/row-json.ts';
import type { Group as GroupRow } from '../generated/prisma/client.ts';
import type { None } from '../groups/group-columns.ts';

/**
 * The file format of `groups export`, as lines of JSON: a header, one line per record, sorted by kind and unique key,
 * and a footer with the record counts, without which the file is truncated. docs/operations.md shows an example.
 */
export const formatName = 'group-api export';
export const formatVersion = 1;

/** The highest id that is accepted, to leave ids for groups that are created later. */
export const maxId = 2_000_000_000;

/** The maximum length of a line: four times that of the longest exported one, with all characters escaped. */
export const maxLineBytes = 128 * 1024;

/** The kinds of records in the order of a file: each kind comes after those that it refers to. */
export const recordKinds = [
  'serviceGroup',
  'group',
  'subscriber',
  'deletedGroup',
  'formerSubscriber',
] as const;
export type RecordKind = (typeof recordKinds)[number];

/** The number of records of each kind. */
export type RecordCounts = {
  readonly serviceGroups: number;
  readonly groups: number;
  readonly subscribers: number;
  readonly deletedGroups: number;
  readonly formerSubscribers: number;
};

/** The name of the count of each kind. */
export const countNames = {
  serviceGroup: 'serviceGroups',
  group: 'groups',
  subscriber: 'subscribers',
  deletedGroup: 'deletedGroups',
  formerSubscriber: 'formerSubscribers',
} as const satisfies Record<RecordKind, keyof RecordCounts>;

/** The last ids that a database has assigned, which are never reused. */
export type LastIds = { readonly serviceGroup: number; readonly group: number };

/** A parsed and validated line of a file. */
export type TransferLine =
  | { readonly kind: 'header'; readonly lastIds: LastIds | undefined }
  | { readonly kind: RecordKind; readonly key: RecordKey; readonly row: RowJson }
  | { readonly kind: 'end'; readonly counts: RecordCounts };

/**
 * The key of a record within its kind: its id, or the id of its group and its username. A former subscriber's key has
 * the dates too, in the format of `toISOString()`: there may be several of the same group and username.
 */
export type RecordKey = readonly [id: number, username?: string, ...dates: string[]];

/** The fields of each kind, in the order of a line. Exports have all of them. */
export const fieldNames = {
  serviceGroup: ['id', 'name', 'description', 'language', 'discount'],
  group: [
    'id',
    'name',
    'description',
    'tagName',
    'duration',
    'price',
    'usernamePostfix',
    'usernamePostfixId',
    'dailyBandwidth',
    'multiLoginCount',
    'downloadUpload',
    'ip',
    'serviceGroupId',
    'hidden',
    'protected',
    'version',
    'createdAt',
    'updatedAt',
  ],
  subscriber: ['groupId', 'username', 'startsAt', 'expiresAt'],
  deletedGroup: ['group', 'deletedAt', 'deletedBy', 'reason', 'purgeAt', 'subscribersMoved'],
  formerSubscriber: ['groupId', 'username', 'startsAt', 'expiresAt', 'removedAt'],
} as const satisfies Record<RecordKind, readonly string[]>;

/**
 * The compiler names a column of groups that is missing in `fieldNames`, and would be missing in exports. Retirements
 * are not exported: an import must not have groups deleted.
 */
export type UnexportedGroupColumns = None<
  Exclude<keyof GroupRow, (typeof fieldNames.group)[number] | 'retiresAt' | 'retirement'>
>;

/**
 * The fields that each record of an imported file must have. Files of older versions lack fields that were added since:
 * those get the default of the table. A subscription without its dates would start now and never expire.
 */
export const requiredNames = {
  serviceGroup: ['id', 'name'],
  group: ['id', 'name', 'tagName', 'duration', 'price'],
  subscriber: fieldNames.subscriber,
  deletedGroup: ['group', 'deletedAt', 'deletedBy', 'purgeAt'],
  formerSubscriber: fieldNames.formerSubscriber,
} as const satisfies { [Kind in RecordKind]: readonly (typeof fieldNames)[Kind][number][] };

export function writeHeader(exportedAt: Date, lastIds: LastIds | undefined): string {
  return writeLine({ kind: 'header', format: formatName, version: formatVersion, exportedAt, lastIds });
}

/** Writes the fields of a record's kind; ignores other fields. */
export function writeRecord(kind: RecordKind, record: object): string {
  if (kind !== 'deletedGroup') return writeLine({ kind, ...pick(record, fieldNames[kind]) });
  const { group, ...rest } = pick(record, fieldNames.deletedGroup);
  return writeLine({ kind, group: pick(group as object, fieldNames.group), ...rest });
}

export function writeEnd(counts: RecordCounts): string {
  return writeLine({ kind: 'end', ...counts });
}

/** @throws AppError BAD_USER_INPUT for a date that JSON cannot represent, such as PostgreSQL's infinity. */
function writeLine(line: object): string {
  return JSON.stringify(line, requireDates) + '\n';
}

/** A replacer of `JSON.stringify`, which would convert an invalid date to null. */
function requireDates(this: unknown, name: string, value: unknown): unknown {
  const original = (this as Record<string, unknown>)[name];
  if (!(original instanceof Date) || !Number.isNaN(original.getTime())) return value;
  const record = JSON.stringify(this).slice(0, 100);
  throw badInput(
    name,
    `${name} is a date that cannot be exported: change it, then export again. The record is ${record}`,
  );
}

function pick(record: object, names: readonly string[]): Record<string, unknown> {
  const fields = record as Record<string, unknown>;
  return Object.fromEntries(names.map((name) => [name, fields[name]]));
}
