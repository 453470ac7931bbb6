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
import { toRowJson } from '../database/row-json.ts';
import { badInput } from '../errors.ts';
import { parseReason } from '../group-deletion/delete-group.ts';
import { parseExportedGroup, parseGroupId } from '../groups/group.ts';
import { parseExportedServiceGroup, parseServiceGroupId } from '../service-groups/service-group.ts';
import { parseStoredUsername, parseSubscription, startSubscription } from '../subscribers/subscriber.ts';
import {
  countNames,
  fieldNames,
  formatName,
  formatVersion,
  maxId,
  recordKinds,
  requiredNames,
  type RecordCounts,
  type RecordKey,
  type TransferLine,
} from './format.ts';

type JsonObject = Readonly<Record<string, unknown>>;

/**
 * Parses a line by the same rules as arguments of the API. The row of a record has the fields of the line only.
 * @throws AppError BAD_USER_INPUT
 */
export function parseLine(line: string): TransferLine {
  const { kind, ...record } = parseJsonObject(line);
  switch (kind) {
    case 'header':
      return parseHeader(record);
    case 'serviceGroup':
      return parseServiceGroup(record);
    case 'group':
      return { kind: 'group', ...parseGroup(record) };
    case 'subscriber':
      return parseSubscriber(record);
    case 'deletedGroup':
      return parseDeletedGroup(record);
    case 'formerSubscriber':
      return parseFormerSubscriber(record);
    case 'end':
      return parseEnd(record);
    default:
      throw badInput(
        'kind',
        `kind must be one of header, ${recordKinds.join(', ')}, end, not ${quoteValue(kind)}. ${newerVersionHint}`,
      );
  }
}

function parseHeader(header: JsonObject): TransferLine {
  const { format, version, lastIds } = header;
  if (format !== formatName) throw badInput('format', `format must be "${formatName}"`);
  if (version !== formatVersion) {
    throw badInput(
      'version',
      `version must be ${formatVersion}: this version of group-api supports no other. Update group-api, or export again`,
    );
  }
  checkFields(header, ['format', 'version', 'exportedAt', 'lastIds'], ['format', 'version'], 'header');
  if (lastIds === undefined) return { kind: 'header', lastIds };
  const names = ['serviceGroup', 'group'] as const;
  checkFields(requireObject(lastIds, 'lastIds'), names, names, 'lastIds');
  const id = integerParser({ min: 0, max: maxId });
  const ids = requireFields(
    parseFields({ serviceGroup: id, group: id }, lastIds, 'lastIds'),
    names,
    'lastIds',
  );
  return { kind: 'header', lastIds: ids };
}

function parseServiceGroup(record: JsonObject): TransferLine {
  checkFields(record, fieldNames.serviceGroup, requiredNames.serviceGroup, 'serviceGroup');
  const id = requireLowId(parseServiceGroupId(record['id'], 'serviceGroup.id'), 'serviceGroup.id');
  return { kind: 'serviceGroup', key: [id], row: toRowJson({ id, ...parseExportedServiceGroup(record) }) };
}

function parseGroup(record: JsonObject) {
  checkFields(record, fieldNames.group, requiredNames.group, 'group');
  const id = requireLowId(parseGroupId(record['id'], 'group.id'), 'group.id');
  const stored = parseFields(
    { version: parsePositiveInteger, createdAt: parseIsoDate, updatedAt: parseIsoDate },
    record,
    'group',
  );
  const key: RecordKey = [id];
  return { key, row: toRowJson({ id, ...parseExportedGroup(record), ...stored }) };
}

function parseSubscriber(record: JsonObject): TransferLine {
  checkFields(record, fieldNames.subscriber, requiredNames.subscriber, 'subscriber');
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

const archiveFields = {
  deletedAt: parseIsoDate,
  deletedBy: parseAccountName,
  reason: parseReason,
  purgeAt: parseIsoDate,
  subscribersMoved: integerParser({ min: 0 }),
};

function parseDeletedGroup(record: JsonObject): TransferLine {
  checkFields(record, fieldNames.deletedGroup, requiredNames.deletedGroup, 'deletedGroup');
  const { key, row: groupRow } = parseGroup(requireObject(record['group'], 'deletedGroup.group'));
  const fields = parseFields(archiveFields, record, 'deletedGroup');
  return { kind: 'deletedGroup', key, row: toRowJson({ id: key[0], groupRow, ...fields }) };
}

function parseFormerSubscriber(record: JsonObject): TransferLine {
  checkFields(record, fieldNames.formerSubscriber, requiredNames.formerSubscriber, 'formerSubscriber');
  const parse = <T>(name: string, parseField: Parse<T>) =>
    parseField(record[name], `formerSubscriber.${name}`);
  const groupId = parse('groupId', parseGroupId);
  const username = parseStoredUsername(record['username']);
  const startsAt = parse('startsAt', parseIsoDate);
  const expiresAt = parse('expiresAt', nullableParser(parseIsoDate));
  const removedAt = parse('removedAt', parseIsoDate);
  return {
    kind: 'formerSubscriber',
    key: [groupId, username, removedAt, startsAt, expiresAt ?? ''],
    row: toRowJson({ groupId, username, startsAt, expiresAt, removedAt }),
  };
}

/** Accepts any name: issuers of tokens choose their own. */
function parseAccountName(value: unknown, argument: string): string {
  if (typeof value === 'string' && /^\P{Cc}{1,512}$/u.test(value)) return value;
  throw badInput(argument, `${argument} must be the name of an account`);
}

function requireLowId(id: number, argument: string): number {
  if (id <= maxId) return id;
  throw badInput(argument, `${argument} must be at most ${maxId}, to leave ids for later groups`);
}

function parseEnd(record: JsonObject): TransferLine {
  const names = Object.values(countNames);
  // Earlier versions exported no former subscribers.
  checkFields(
    record,
    names,
    names.filter((name) => name !== 'formerSubscribers'),
    'end',
  );
  const read = (name: keyof RecordCounts) =>
    integerParser({ min: 0, max: Number.MAX_SAFE_INTEGER })(record[name] ?? 0, `end.${name}`);
  return {
    kind: 'end',
    counts: {
      serviceGroups: read('serviceGroups'),
      groups: read('groups'),
      subscribers: read('subscribers'),
      deletedGroups: read('deletedGroups'),
      formerSubscribers: read('formerSubscribers'),
    },
  };
}

function parseJsonObject(line: string): JsonObject {
  try {
    return requireObject(JSON.parse(line), 'line');
  } catch {
    throw badInput('line', 'not a JSON object');
  }
}

function requireObject(value: unknown, argument: string): JsonObject {
  const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
  if (!isObject) throw badInput(argument, `${argument} must be an object`);
  return value as JsonObject;
}

const newerVersionHint = 'If the file is of a newer version of group-api, update this one before the import';

/** Rejects missing fields that are required, and unknown fields, which would be lost. */
function checkFields(
  record: JsonObject,
  names: readonly string[],
  required: readonly string[],
  argument: string,
): void {
  const missing = required.find((name) => record[name] === undefined);
  if (missing) throw badInput(`${argument}.${missing}`, `${argument}.${missing} is required`);
  const unknown = Object.keys(record).find((name) => !names.includes(name));
  if (unknown !== undefined) {
    throw badInput(
      `${argument}.${unknown}`,
      `${argument}.${unknown} is not a field: the fields are ${names.join(', ')}. ${newerVersionHint}`,
    );
  }
}
