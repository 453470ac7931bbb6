import { Readable, type Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Transaction } from '../mutations/mutation-runner.ts';
import { camelCaseKeys, parseTimestamp, type RowJson } from '../database/row-json.ts';
import { AppError } from '../errors.ts';
import type { PrismaClient } from '../generated/prisma/client.ts';
import { parseGroupRow } from '../groups/group.ts';
import { parseSubscriberRow } from '../subscribers/subscriber.ts';
import {
  countNames,
  recordKinds,
  writeEnd,
  writeHeader,
  writeRecord,
  type RecordCounts,
  type RecordKind,
} from './format.ts';
import { readLastIds } from './last-ids.ts';

/** What to export, with a callback for the progress. */
type ExportRequest = {
  /** Only these groups, live or deleted, with their service groups and subscribers. If undefined, everything. */
  readonly ids: readonly number[] | undefined;
  readonly onProgress: (recordCount: number) => void;
  /** Aborts the export. */
  readonly signal?: AbortSignal;
};

/** Long enough for a slow reader. */
const transactionTimeoutMs = 24 * 60 * 60 * 1000;
const connectionWaitMs = 3000;
/** The maximum number of ids in an error. */
const maxNamed = 10;

/**
 * Writes a consistent snapshot of groups with their subscribers, past and present, service groups and archive to
 * `destination`, and returns the number of records of each kind. Applies backpressure, and keeps one batch of rows in
 * memory.
 * @throws AppError NOT_FOUND if one of the `ids` is neither a live nor a deleted group; any error of the destination.
 */
export async function exportGroups(
  prisma: PrismaClient,
  request: ExportRequest,
  destination: Writable,
): Promise<RecordCounts> {
  const counts = { serviceGroups: 0, groups: 0, subscribers: 0, deletedGroups: 0, formerSubscribers: 0 };
  await prisma.$transaction(
    async (transaction) => {
      await transaction.$executeRaw`SET TRANSACTION READ ONLY`;
      if (request.ids) await requireGroups(transaction, request.ids);
      // One piece is a batch; the next one is read while one is written.
      const pieces = Readable.from(writePieces(transaction, request, counts), { highWaterMark: 1 });
      await pipeline(pieces, destination, { ...(request.signal && { signal: request.signal }) });
    },
    { isolationLevel: 'RepeatableRead', timeout: transactionTimeoutMs, maxWait: connectionWaitMs },
  );
  return counts;
}

async function* writePieces(
  transaction: Transaction,
  { ids, onProgress }: ExportRequest,
  counts: Record<keyof RecordCounts, number>,
): AsyncGenerator<string> {
  yield writeHeader(new Date(), ids ? undefined : await readLastIds(transaction));
  let written = 0;
  for (const kind of recordKinds) {
    for await (const rows of readRows(transaction, kind, ids ?? null)) {
      yield rows.map((row) => writeRecord(kind, readRow[kind](row))).join('');
      counts[countNames[kind]] += rows.length;
      onProgress((written += rows.length));
    }
  }
  yield writeEnd(counts);
}

/** Reads the rows of a kind in batches, sorted by key. */
async function* readRows(
  transaction: Transaction,
  kind: RecordKind,
  ids: readonly number[] | null,
): AsyncGenerator<RowJson[]> {
  await declareCursor[kind](transaction, ids);
  for (;;) {
    // FETCH accepts no parameters, hence the literal. A batch with the longest texts takes some ten megabytes.
    const rows = await transaction.$queryRaw<{ row: RowJson }[]>`FETCH 1000 FROM records`;
    if (rows.length === 0) break;
    yield rows.map(({ row }) => row);
  }
  await transaction.$executeRaw`CLOSE records`;
}

/**
 * Declares the cursor of each kind. Usernames are sorted by code point, so that a file does not depend on the collation
 * of a database. No index has that order: keyset pagination would sort a large group again for every page.
 */
const declareCursor: Record<
  RecordKind,
  (transaction: Transaction, ids: readonly number[] | null) => Promise<unknown>
> = {
  serviceGroup: (transaction, ids) => transaction.$executeRaw`
    DECLARE records NO SCROLL CURSOR FOR SELECT to_jsonb(service_groups) AS row FROM service_groups
    WHERE ${ids}::int[] IS NULL
      OR id IN (SELECT service_group_id FROM groups WHERE id = ANY (${ids}::int[]))
      OR id IN (SELECT (group_row ->> 'service_group_id')::int FROM deleted_groups
        WHERE id = ANY (${ids}::int[]) AND purge_at > now())
    ORDER BY id`,
  group: (transaction, ids) => transaction.$executeRaw`
    DECLARE records NO SCROLL CURSOR FOR SELECT group_row(groups) AS row FROM groups
    WHERE ${ids}::int[] IS NULL OR id = ANY (${ids}::int[])
    ORDER BY id`,
  subscriber: (transaction, ids) => transaction.$executeRaw`
    DECLARE records NO SCROLL CURSOR FOR SELECT to_jsonb(subscribers) AS row FROM subscribers
    WHERE ${ids}::int[] IS NULL OR group_id = ANY (${ids}::int[])
    ORDER BY group_id, username COLLATE "C"`,
  // Expired groups count as removed, even if they are not purged yet.
  deletedGroup: (transaction, ids) => transaction.$executeRaw`
    DECLARE records NO SCROLL CURSOR FOR SELECT to_jsonb(deleted_groups) AS row FROM deleted_groups
    WHERE (${ids}::int[] IS NULL OR id = ANY (${ids}::int[])) AND purge_at > now()
    ORDER BY id`,
  // Those of purged groups belong to no record of the file. Identical rows are one record.
  formerSubscriber: (transaction, ids) => transaction.$executeRaw`
    DECLARE records NO SCROLL CURSOR FOR
    SELECT DISTINCT ON (group_id, username COLLATE "C", removed_at, starts_at, expires_at)
      to_jsonb(subscriber_history) AS row
    FROM subscriber_history
    WHERE (${ids}::int[] IS NULL OR group_id = ANY (${ids}::int[]))
      AND (EXISTS (SELECT FROM groups WHERE id = group_id)
        OR EXISTS (SELECT FROM deleted_groups WHERE deleted_groups.id = group_id AND purge_at > now()))
    ORDER BY group_id, username COLLATE "C", removed_at, starts_at, expires_at NULLS FIRST`,
};

const readRow: Record<RecordKind, (row: RowJson) => object> = {
  serviceGroup: (row) => row,
  group: parseGroupRow,
  subscriber: parseSubscriberRow,
  deletedGroup: readDeletedGroupRow,
  formerSubscriber: (row) => ({
    ...parseSubscriberRow(row),
    removedAt: parseTimestamp(row['removed_at'] as string),
  }),
};

function readDeletedGroupRow({ group_row: groupRow, ...row }: RowJson): object {
  const { deletedAt, purgeAt, ...rest } = camelCaseKeys(row) as { deletedAt: string; purgeAt: string };
  return {
    ...rest,
    group: parseGroupRow(groupRow as RowJson),
    deletedAt: parseTimestamp(deletedAt),
    purgeAt: parseTimestamp(purgeAt),
  };
}

async function requireGroups(transaction: Transaction, ids: readonly number[]): Promise<void> {
  const missing = await transaction.$queryRaw<{ id: number }[]>`
    SELECT id FROM unnest(${ids}::int[]) AS requested (id)
    WHERE NOT EXISTS (SELECT FROM groups WHERE groups.id = requested.id)
      AND NOT EXISTS (SELECT FROM deleted_groups WHERE deleted_groups.id = requested.id AND purge_at > now())
    ORDER BY id`;
  if (missing.length === 0) return;
  const named = missing.slice(0, maxNamed).map(({ id }) => id);
  throw new AppError(
    'NOT_FOUND',
    `${missing.length} of the ids belong to no group, live or deleted: ${named.join(', ')}${missing.length > maxNamed ? ', …' : ''}`,
    { count: missing.length, ids: named },
  );
}
