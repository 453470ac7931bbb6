import {
  integerParser,
  parseIsoDate,
  nullableParser,
  parseFields,
  parsePositiveInteger,
  requireFields,
  type Parse,
} from '../validation/input-parsers.ts';
import { quoteValue } from '../validation/quote-value.ts';
import { toRowJson, type RowJson } from '../database/row-json.ts';
import { badInput } from '../errors.ts';
import { parseReason } from '../group-deletion/delete-input.ts';
import type { Group as GroupRow } from '../generated/prisma/client.ts';
import { parseExportedGroup, parseGroupId } from '../groups/group.ts';
import type { None, RequiredGroupColumns } from '../groups/group-columns.ts';
import { parseExportedServiceGroup, parseServiceGroupId } from '../service-groups/service-group.ts';
import { parseStoredUsername, parseSubscription, startSubscription } from '../subscribers/subscriber.ts';

/**
 * The file format of `groups export`, as lines of JSON: a header, one line per record, sorted by kind and unique key,
 * and a footer with the record counts, without which the file is truncated. docs/operations.md shows an example.
 */
const formatName = 'group-api export';
const formatVersion = 1;

/** The highest id that is accepted, to leave ids for groups that are created later. */
const maxId = 2_000_000_000;

/** The maximum length of a line: four times that of the longest exported one, with all characters escaped. */
export const maxLineBytes = 128 * 1024;

/** The kinds of records in the order of a file: each kind comes after those that it refers to. */
export const recordKinds = ['serviceGroup', 'group', 'subscriber', 'deletedGroup'] as const;
export type RecordKind = (typeof recordKinds)[number];

/** The number of records of each kind. */
export type RecordCounts = {
  readonly serviceGroups: number;
  readonly groups: number;
  readonly subscribers: number;
  readonly deletedGroups: number;
};

/** The name of the count of each kind. */
export const countNames = {
  serviceGroup: 'serviceGroups',
  group: 'groups',
  subscriber: 'subscribers',
  deletedGroup: 'deletedGroups',
} as const satisfies Record<RecordKind, keyof RecordCounts>;

/** The last ids that a database has assigned, which are never reused. */
export type LastIds = { readonly serviceGroup: number; readonly group: number };

/** A parsed and validated line of a file. */
export type TransferLine =
  | { readonly kind: 'header'; readonly lastIds: LastIds | undefined }
  | { readonly kind: RecordKind; readonly key: RecordKey; readonly row: RowJson }
  | { readonly kind: 'end'; readonly counts: RecordCounts };

/** The key of a record within its kind: its id, or the id of its group and its username. */
export type RecordKey = readonly [id: number, username?: string];

/** The fields of each kind, all required, in the order of a line. */
const fieldNames = {
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
} as const satisfies Record<RecordKind, readonly string[]>;

/** The compiler names a column of groups that is missing in `fieldNames`, and would be missing in exports. */
export type UnexportedGroupColumns = None<Exclude<keyof GroupRow, (typeof fieldNames.group)[number]>>;

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

/** Parses a line by the same rules as arguments of the API. @throws AppError BAD_USER_INPUT */
export function readLine(line: string): TransferLine {
  const record = parseJsonObject(line);
  switch (record['kind']) {
    case 'header':
      return readHeader(record);
    case 'serviceGroup':
      return parseServiceGroup(record);
    case 'group':
      return { kind: 'group', ...readGroup(record, ['kind', ...fieldNames.group]) };
    case 'subscriber':
      return readSubscriber(record);
    case 'deletedGroup':
      return readDeletedGroup(record);
    case 'end':
      return readEnd(record);
    default:
      throw badInput(
        'kind',
        `kind must be one of header, ${recordKinds.join(', ')}, end, not ${quoteValue(record['kind'])}`,
      );
  }
}

function readHeader({ format, version, lastIds }: Record<string, unknown>): TransferLine {
  if (format !== formatName) throw badInput('format', `format must be "${formatName}"`);
  if (version !== formatVersion) {
    throw badInput(
      'version',
      `version must be ${formatVersion}: this version of group-api supports no other. Update group-api, or export again`,
    );
  }
  if (lastIds === undefined) return { kind: 'header', lastIds };
  const names = ['serviceGroup', 'group'] as const;
  const id = integerParser({ min: 0, max: maxId });
  const ids = requireFields(
    parseFields({ serviceGroup: id, group: id }, lastIds, 'lastIds'),
    names,
    'lastIds',
  );
  return { kind: 'header', lastIds: ids };
}

function parseServiceGroup(record: Record<string, unknown>): TransferLine {
  requireExactly(record, ['kind', ...fieldNames.serviceGroup], 'serviceGroup');
  const id = requireLowId(parseServiceGroupId(record['id'], 'serviceGroup.id'), 'serviceGroup.id');
  const fields = requireFields(
    parseExportedServiceGroup(record),
    ['description', 'discount'],
    'serviceGroup',
  );
  return { kind: 'serviceGroup', key: [id], row: toRowJson({ id, ...fields }) };
}

function readGroup(record: Record<string, unknown>, names: readonly string[]) {
  requireExactly(record, names, 'group');
  const id = requireLowId(parseGroupId(record['id'], 'group.id'), 'group.id');
  const fields = requireFields(
    parseExportedGroup(record),
    ['description', 'dailyBandwidth', 'multiLoginCount', 'downloadUpload', 'hidden', 'protected'],
    'group',
  );
  const version = parsePositiveInteger(record['version'], 'group.version');
  const createdAt = parseIsoDate(record['createdAt'], 'group.createdAt');
  const updatedAt = parseIsoDate(record['updatedAt'], 'group.updatedAt');
  const key: RecordKey = [id];
  const row = { id, ...fields, version, createdAt, updatedAt } satisfies RequiredGroupColumns;
  return { key, row: toRowJson(row) };
}

function readSubscriber(record: Record<string, unknown>): TransferLine {
  requireExactly(record, ['kind', ...fieldNames.subscriber], 'subscriber');
  const expiresAt = nullableParser(parseIsoDate)(record['expiresAt'], 'expiresAt');
  const subscriber = startSubscription(
    parseSubscription(
      {
        username: record['username'],
        groupId: record['groupId'],
        startsAt: new Date(parseIsoDate(record['startsAt'], 'startsAt')),
        expiresAt: expiresAt === null ? null : new Date(expiresAt),
      },
      parseStoredUsername,
    ),
  );
  return { kind: 'subscriber', key: [subscriber.groupId, subscriber.username], row: toRowJson(subscriber) };
}

function readDeletedGroup(record: Record<string, unknown>): TransferLine {
  requireExactly(record, ['kind', ...fieldNames.deletedGroup], 'deletedGroup');
  const group = requireObject(record['group'], 'deletedGroup.group');
  const { key, row: groupRow } = readGroup(group, fieldNames.group);
  const read = <T>(name: string, parse: Parse<T>) => parse(record[name], `deletedGroup.${name}`);
  return {
    kind: 'deletedGroup',
    key,
    row: toRowJson({
      id: key[0],
      groupRow,
      deletedAt: read('deletedAt', parseIsoDate),
      deletedBy: read('deletedBy', accountName),
      reason: parseReason(record['reason']),
      purgeAt: read('purgeAt', parseIsoDate),
      subscribersMoved: read('subscribersMoved', integerParser({ min: 0 })),
    }),
  };
}

/** Accepts any name: issuers of tokens choose their own. */
const accountName: Parse<string> = (value, argument) => {
  if (typeof value === 'string' && /^\P{Cc}{1,512}$/u.test(value)) return value;
  throw badInput(argument, `${argument} must be the name of an account`);
};

function requireLowId(id: number, argument: string): number {
  if (id <= maxId) return id;
  throw badInput(argument, `${argument} must be at most ${maxId}, to leave ids for later groups`);
}

function readEnd(record: Record<string, unknown>): TransferLine {
  const names = Object.values(countNames);
  requireExactly(record, ['kind', ...names], 'end');
  const read = (name: keyof RecordCounts) =>
    integerParser({ min: 0, max: Number.MAX_SAFE_INTEGER })(record[name], `end.${name}`);
  return {
    kind: 'end',
    counts: {
      serviceGroups: read('serviceGroups'),
      groups: read('groups'),
      subscribers: read('subscribers'),
      deletedGroups: read('deletedGroups'),
    },
  };
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

function parseJsonObject(line: string): Record<string, unknown> {
  try {
    return requireObject(JSON.parse(line), 'line');
  } catch {
    throw badInput('line', 'not a JSON object');
  }
}

function requireObject(value: unknown, argument: string): Record<string, unknown> {
  const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
  if (!isObject) throw badInput(argument, `${argument} must be an object`);
  return value as Record<string, unknown>;
}

/** Rejects unknown fields, which would be lost, and missing fields, which would silently get a default. */
function requireExactly(record: Record<string, unknown>, names: readonly string[], argument: string): void {
  const missing = names.find((name) => record[name] === undefined);
  if (missing) throw badInput(`${argument}.${missing}`, `${argument}.${missing} is required`);
  const unknown = Object.keys(record).find((name) => !names.includes(name));
  if (unknown !== undefined) {
    throw badInput(
      `${argument}.${unknown}`,
      `${argument}.${unknown} is not a field: the fields are ${names.join(', ')}`,
    );
  }
}
