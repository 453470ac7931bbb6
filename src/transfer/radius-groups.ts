import type pg from 'pg';
import { AppError, OperatorError } from '../errors.ts';
import { parseExportedGroup } from '../groups/group.ts';
import { writeEnd, writeHeader, writeRecord } from './format.ts';
import { readRadiusRows, type RadiusFields, type RadiusRow } from './radius-attributes.ts';

/** The tables of FreeRADIUS, which may be renamed in its settings. */
type RadiusTables = { readonly check: string; readonly reply: string; readonly userGroup: string };

/** The fields of imported groups that RADIUS does not have. */
type RadiusDefaults = { readonly tagName: string; readonly duration: number; readonly price: string };

/** A group of FreeRADIUS, converted to a group of group-api, or not: then without `record`. */
export type ConvertedGroup = {
  readonly name: string;
  readonly record: object | undefined;
  /** The number of different users in `radusergroup`. */
  readonly userCount: number;
  /** What is not converted, by table. */
  readonly problems: readonly { readonly text: string; readonly reason: string }[];
};

type GroupRow = RadiusRow & { readonly groupName: string; readonly table: string };

/**
 * Reads the groups of FreeRADIUS' tables in one snapshot, sorted by name, and converts them. Changes nothing.
 * @throws OperatorError if a table or a column is missing
 */
export async function readRadiusGroups(
  pool: pg.Pool,
  tables: RadiusTables,
  defaults: RadiusDefaults,
): Promise<ConvertedGroup[]> {
  const { rows, userCounts } = await readTables(pool, tables);
  const byName = new Map<string, GroupRow[]>([...userCounts.keys()].map((name) => [name, []]));
  for (const row of rows) byName.set(row.groupName, [...(byName.get(row.groupName) ?? []), row]);
  let id = 0;
  return [...byName]
    .toSorted(([one], [other]) => (one < other ? -1 : 1))
    .map(([name, groupRows]) => {
      const { fields, problems: unread } = readRadiusRows(groupRows);
      const problems = unread.map(({ row, reason }) => ({ text: describeRow(row as GroupRow), reason }));
      const userCount = userCounts.get(name) ?? 0;
      const record = createRecord(name, fields, defaults);
      try {
        parseExportedGroup(record);
      } catch (error) {
        if (!(error instanceof AppError)) throw error;
        return {
          name,
          record: undefined,
          userCount,
          problems: [...problems, { text: 'the group', reason: error.message }],
        };
      }
      return { name, record: { id: ++id, ...record }, userCount, problems };
    });
}

/** Writes converted groups as a file of `groups export`, with ids from 1. */
export function writeRadiusGroups(groups: readonly ConvertedGroup[], now: Date): string {
  const records = groups.flatMap(({ record }) => (record ? [record] : []));
  const stored = { version: 1, createdAt: now, updatedAt: now };
  return [
    writeHeader(now, undefined),
    ...records.map((record) => writeRecord('group', { ...record, ...stored })),
    writeEnd({
      serviceGroups: 0,
      groups: records.length,
      subscribers: 0,
      deletedGroups: 0,
      formerSubscribers: 0,
    }),
  ].join('');
}

/** Hidden, since no one has set a price yet. */
function createRecord(name: string, fields: RadiusFields, defaults: RadiusDefaults) {
  return {
    name,
    description: '',
    ...defaults,
    duration: fields.duration ?? defaults.duration,
    usernamePostfix: null,
    usernamePostfixId: null,
    dailyBandwidth: fields.dailyBandwidth ?? 'unlimited',
    multiLoginCount: fields.multiLoginCount ?? 0,
    downloadUpload: fields.downloadUpload ?? 'unlimited',
    ip: fields.ip ?? null,
    serviceGroupId: null,
    hidden: true,
    protected: false,
  };
}

function describeRow({ table, attribute, op, value }: GroupRow): string {
  return `${attribute} ${op} ${JSON.stringify(value)} in ${table}`;
}

async function readTables(pool: pg.Pool, { check, reply, userGroup }: RadiusTables) {
  const client = await pool.connect();
  let failure: Error | undefined;
  try {
    await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
    const rows: GroupRow[] = [];
    for (const table of [check, reply]) {
      const result = await client.query<RadiusRow & { groupName: string }>(
        `SELECT groupname AS "groupName", attribute, op, value FROM ${quoteName(table)} ORDER BY groupname, id`,
      );
      rows.push(...result.rows.map((row) => ({ ...row, table })));
    }
    const counts = await client.query<{ groupName: string; count: number }>(
      `SELECT groupname AS "groupName", count(DISTINCT username)::int FROM ${quoteName(userGroup)} GROUP BY 1`,
    );
    await client.query('COMMIT');
    return { rows, userCounts: new Map(counts.rows.map(({ groupName, count }) => [groupName, count])) };
  } catch (error) {
    failure = error as Error;
    throw explainMissingTable(error);
  } finally {
    client.release(failure);
  }
}

/** Quotes a table's name, which may have a schema. */
function quoteName(name: string): string {
  return name
    .split('.')
    .map((part) => `"${part.replaceAll('"', '""')}"`)
    .join('.');
}

function explainMissingTable(error: unknown): unknown {
  const { code, message } = error as Partial<pg.DatabaseError>;
  const isMissing = code === '42P01' || code === '42703' || code === '42501';
  return isMissing
    ? new OperatorError(
        `Cannot read the groups of FreeRADIUS (${message}). Set ?schema= in --from to the schema of its tables, or their ` +
          'names by --check-table, --reply-table and --usergroup-table',
      )
    : error;
}
