import {
  integer,
  isoDate,
  nullable,
  parseFields,
  positiveInteger,
  requireFields,
  type Parse,
} from '../validation/input-parsers.ts';
import { toRowJson, type RowJson } from '../database/row-json.ts';
import { badInput } from '../errors.ts';
import { parseReason } from '../group-deletion/delete-input.ts';
import { parseExportedGroup, parseGroupId } from '../groups/group.ts';
import { parseExportedServiceGroup, parseServiceGroupId } from '../service-groups/service-group.ts';
import { parseStoredUsername, parseSubscription } from '../subscribers/subscriber.ts';

/**
 * The file of `groups export`: lines of JSON. A header, then one line a record, by kind and within a kind by key, each key once;
 * in the end the counts, without which a file is not whole. docs/operations.md shows one.
 */
export const formatName = 'group-api export';
export const formatVersion = 1;

/** The highest id that is taken: those above are left for groups that are created later. */
export const maxId = 2_000_000_000;

/** How long a line may be. One of ours is a quarter of it at most, however its letters are escaped. */
export const maxLineBytes = 128 * 1024;

/** The kinds of records in the order in which a file has them, each after those that it refers to. */
export const recordKinds = ['serviceGroup', 'group', 'subscriber', 'deletedGroup'] as const;
export type RecordKind = (typeof recordKinds)[number];

/** How many records of each kind there are. */
export type RecordCounts = {
  readonly serviceGroups: number;
  readonly groups: number;
  readonly subscribers: number;
  readonly deletedGroups: number;
};

/** Under which name the records of a kind are counted. */
export const countNames = {
  serviceGroup: 'serviceGroups',
  group: 'groups',
  subscriber: 'subscribers',
  deletedGroup: 'deletedGroups',
} as const satisfies Record<RecordKind, keyof RecordCounts>;

/** The highest ids that a database has given out, which it does not give out again. */
export type LastIds = { readonly serviceGroup: number; readonly group: number };

/** One line of a file, read and checked. */
export type TransferLine =
  | { readonly kind: 'header'; readonly lastIds: LastIds | undefined }
  | { readonly kind: RecordKind; readonly key: RecordKey; readonly row: RowJson }
  | { readonly kind: 'end'; readonly counts: RecordCounts };

/** What a record is known by within its kind: its id, or its group's id and its username. */
export type RecordKey = readonly [id: number, username?: string];

/** The fields of each kind as a line has them: every one of them, in this order. */
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

export function writeHeader(exportedAt: Date, lastIds: LastIds | undefined): string {
  return writeLine({ kind: 'header', format: formatName, version: formatVersion, exportedAt, lastIds });
}

/** Writes a record that has, beside others, the fields of its kind. */
export function writeRecord(kind: RecordKind, record: object): string {
  if (kind !== 'deletedGroup') return writeLine({ kind, ...pick(record, fieldNames[kind]) });
  const { group, ...rest } = pick(record, fieldNames.deletedGroup);
  return writeLine({ kind, group: pick(group as object, fieldNames.group), ...rest });
}

export function writeEnd(counts: RecordCounts): string {
  return writeLine({ kind: 'end', ...counts });
}

/** Reads a line by the rules by which the API reads its arguments. @throws AppError BAD_USER_INPUT */
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
      throw badInput('kind', `kind must be one of header, ${recordKinds.join(', ')}, end`);
  }
}

function readHeader({ format, version, lastIds }: Record<string, unknown>): TransferLine {
  if (format !== formatName) throw badInput('format', `format must be "${formatName}"`);
  if (version !== formatVersion) {
    throw badInput(
      'version',
      `version must be ${formatVersion}: this version of group-api knows no other. Update group-api, or export again`,
    );
  }
  if (lastIds === undefined) return { kind: 'header', lastIds };
  const names = ['serviceGroup', 'group'] as const;
  const id = integer({ min: 0, max: maxId });
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
  const version = positiveInteger(record['version'], 'group.version');
  const createdAt = isoDate(record['createdAt'], 'group.createdAt');
  const updatedAt = isoDate(record['updatedAt'], 'group.updatedAt');
  const key: RecordKey = [id];
  return { key, row: toRowJson({ id, ...fields, version, createdAt, updatedAt }) };
}

function readSubscriber(record: Record<string, unknown>): TransferLine {
  requireExactly(record, ['kind', ...fieldNames.subscriber], 'subscriber');
  const expiresAt = nullable(isoDate)(record['expiresAt'], 'expiresAt');
  const subscriber = parseSubscription(
    {
      username: record['username'],
      groupId: record['groupId'],
      startsAt: new Date(isoDate(record['startsAt'], 'startsAt')),
      expiresAt: expiresAt === null ? null : new Date(expiresAt),
    },
    parseStoredUsername,
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
      deletedAt: read('deletedAt', isoDate),
      deletedBy: read('deletedBy', accountName),
      reason: parseReason(record['reason']),
      purgeAt: read('purgeAt', isoDate),
      subscribersMoved: read('subscribersMoved', integer({ min: 0 })),
    }),
  };
}

/** Taken as it is: those of tokens are whatever their issuer made them. */
const accountName: Parse<string> = (value, argument) => {
  if (typeof value === 'string' && /^\P{Cc}{1,512}$/u.test(value)) return value;
  throw badInput(argument, `${argument} must be the name of an account`);
};

function requireLowId(id: number, argument: string): number {
  if (id <= maxId) return id;
  throw badInput(argument, `${argument} must be at most ${maxId}, so that ids are left for later groups`);
}

function readEnd(record: Record<string, unknown>): TransferLine {
  const names = Object.values(countNames);
  requireExactly(record, ['kind', ...names], 'end');
  const read = (name: keyof RecordCounts) =>
    integer({ min: 0, max: Number.MAX_SAFE_INTEGER })(record[name], `end.${name}`);
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

/** @throws AppError BAD_USER_INPUT where a date is none that a file can hold, such as PostgreSQL's infinity. */
function writeLine(line: object): string {
  return JSON.stringify(line, requireDates) + '\n';
}

/** `JSON.stringify` itself would make null of it. */
function requireDates(this: unknown, name: string, value: unknown): unknown {
  const given = (this as Record<string, unknown>)[name];
  if (!(given instanceof Date) || !Number.isNaN(given.getTime())) return value;
  const record = JSON.stringify(this).slice(0, 100);
  throw badInput(
    name,
    `${name} is no date that a file can hold: change it, then export again. It is that of ${record}`,
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
    throw badInput('line', 'it must be a JSON object');
  }
}

function requireObject(value: unknown, argument: string): Record<string, unknown> {
  const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
  if (!isObject) throw badInput(argument, `${argument} must be an object`);
  return value as Record<string, unknown>;
}

/** What this version does not know would be lost; what is not there would take a default that nobody chose. */
function requireExactly(record: Record<string, unknown>, names: readonly string[], argument: string): void {
  const missing = names.find((name) => record[name] === undefined);
  if (missing) throw badInput(`${argument}.${missing}`, `${argument}.${missing} must be given`);
  const unknown = Object.keys(record).find((name) => !names.includes(name));
  if (unknown !== undefined) {
    throw badInput(
      `${argument}.${unknown}`,
      `${argument}.${unknown} is not a field: there are ${names.join(', ')}`,
    );
  }
}
