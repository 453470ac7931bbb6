import type { MutationRunner, Transaction } from '../mutations/mutation-runner.ts';
import type { MutationCall } from '../mutations/mutation-call.ts';
import type { RowJson } from '../database/row-json.ts';
import type { SampleIds } from '../groups/sample-groups.ts';
import { AppError, lockTimeout, OperatorError } from '../errors.ts';
import { importBatch, isConflicting, type ConflictOutcome, type OutcomeCount } from './import-statements.ts';
import { countRows, openSamples, type Samples } from './import-samples.ts';
import { parseLine } from './parse-line.ts';
import { lineError, readLines } from './read-lines.ts';
import {
  countNames,
  maxLineBytes,
  recordKinds,
  type LastIds,
  type RecordCounts,
  type RecordKey,
  type RecordKind,
  type TransferLine,
} from './format.ts';

/**
 * The numbers of records of each kind that an import added, restored from the archive, and left unchanged; and of the
 * sample records that it removed, if any.
 */
export type ImportCounts = Readonly<Record<keyof RecordCounts, Counts>> & {
  readonly samplesRemoved?: Readonly<Record<keyof SampleIds, number>>;
};
type Counts = Record<'added' | 'restored' | 'unchanged', number>;

/** The source of an import: `open` starts to read the file, and may be called once. */
type ImportSource = {
  readonly open: () => AsyncIterable<Buffer>;
  readonly onProgress: (recordCount: number) => void;
};

/** A record of the file that conflicts with existing data. */
type Conflict = {
  readonly kind: RecordKind;
  readonly key: RecordKey;
  readonly outcome: ConflictOutcome;
};

/** The maximum number of records of a statement. */
const maxBatchSize = 1000;
/** The maximum number of characters: Prisma keeps the arguments of its last hundred statements in memory. */
const maxBatchLength = 256 * 1024;
/** Long enough for a slow input. */
const timeoutMs = 24 * 60 * 60 * 1000;
/** The maximum number of conflicts in an error. */
const maxNamed = 10;

/**
 * Imports a file of `exportGroups` atomically, with one audit event. Identical records are left unchanged, identical
 * deleted groups are restored, and nothing is overwritten except unchanged samples: a complete export, or a file that
 * conflicts with one of them, replaces them. Reads continue during the import, other writers are blocked.
 * @throws AppError BAD_USER_INPUT with the line number; ALREADY_EXISTS with the first ten conflicts.
 */
export async function importGroups(
  mutations: MutationRunner,
  { open, onProgress }: ImportSource,
  call: MutationCall,
): Promise<ImportCounts> {
  let isOpen = false;
  const work = async (transaction: Transaction) => {
    if (isOpen) throw lockTimeout();
    await lockTables(transaction, call.isDryRun);
    isOpen = true;
    const samples = await openSamples(transaction);
    const { counts, lastIds } = await importFile(transaction, open(), { samples, onProgress });
    if (!call.isDryRun) await advanceSequences(transaction, lastIds);
    const { removed } = samples;
    if (removed.groups.length + removed.deletedGroups.length + removed.serviceGroups.length === 0)
      return { result: counts, after: counts };
    const result = { ...counts, samplesRemoved: countRows(removed) };
    return {
      result,
      after: result,
      before: { samples: removed },
      targetIds: removed.groups.map(({ id }) => Number(id)),
    };
  };
  return mutations.run(call, work, { timeoutMs });
}

/** The result of reading a file: the counts of its records by outcome, and its highest ids. */
type FileImport = { readonly counts: ImportCounts; readonly lastIds: LastIds };

async function importFile(
  transaction: Transaction,
  chunks: AsyncIterable<Buffer>,
  { samples, onProgress }: RecordImportOptions,
): Promise<FileImport> {
  const records = createRecordImport(transaction, { samples, onProgress });
  let lastIds: LastIds | undefined;
  let lineCount = 0;
  let hasHeader = false;
  let hasFooter = false;
  for await (const { number, text } of readLines(chunks, maxLineBytes)) {
    lineCount = number;
    if (text.trim() === '') continue;
    if (hasFooter) throw lineError(number, 'the footer must be the last line');
    const line = readNumberedLine(number, text);
    if (hasHeader === (line.kind === 'header')) {
      throw lineError(number, 'the header must be the first line, and must not be repeated');
    }
    hasHeader = true;
    if (line.kind === 'header') lastIds = line.lastIds;
    else if (line.kind === 'end') {
      requireCounts(number, line.counts, await records.end());
      hasFooter = true;
    } else await records.add(number, line, text.length);
  }
  if (!hasFooter)
    throw lineError(lineCount + 1, 'the file is truncated: the footer with the record counts is missing');
  // Only a complete export has the last ids. A partial export leaves the samples of a trial server.
  if (lastIds) await samples.remove();
  return records.finish(lastIds ?? { serviceGroup: 0, group: 0 });
}

type RecordImportOptions = {
  readonly samples: Samples;
  readonly onProgress: (recordCount: number) => void;
};

/** Collects the records of a file, and imports them in batches. */
function createRecordImport(transaction: Transaction, { samples, onProgress }: RecordImportOptions) {
  const read = { serviceGroups: 0, groups: 0, subscribers: 0, deletedGroups: 0 };
  const counts = {
    serviceGroups: emptyCounts(),
    groups: emptyCounts(),
    subscribers: emptyCounts(),
    deletedGroups: emptyCounts(),
  };
  const highest = { serviceGroup: 0, group: 0 };
  const conflicts: Conflict[] = [];
  let conflictCount = 0;

  let kind: RecordKind = recordKinds[0];
  let lastKey: RecordKey | undefined;
  let batch: { readonly key: RecordKey; readonly row: RowJson; readonly line: number }[] = [];
  let batchLength = 0;
  let importedCount = 0;

  const importRows = async () => {
    if (batch.length === 0) return;
    const batchConflicts: Conflict[] = [];
    const addOutcome = ({ outcome, count, keys }: OutcomeCount) => {
      if (isConflicting(outcome)) {
        conflictCount += count;
        batchConflicts.push(...keys.map((key) => ({ kind, key, outcome })));
      } else if (outcome !== 'orphaned') {
        counts[countNames[kind]][outcome] += count;
      } else if (conflictCount === 0) {
        // After a conflict the missing group may be the conflicting record, which is reported at the end.
        const orphan = batch.find(({ key }) => key.join() === keys[0]!.join())!;
        throw lineError(orphan.line, orphanMessage(kind, orphan.row));
      }
    };
    const send = (rows: typeof batch) =>
      importBatch[kind](transaction, JSON.stringify(rows.map(({ row }) => row)));
    const outcomes = await send(batch);
    const conflictingSamples = samples.findConflicting(kind, outcomes);
    for (const outcome of outcomes) addOutcome(withoutRecords(outcome, conflictingSamples));
    const retried = batch.filter(({ key: [id] }) => conflictingSamples.includes(id));
    for (const row of batch) if (!retried.includes(row)) samples.markRead(kind, row.key);
    if (retried.length > 0) {
      await samples.remove();
      for (const outcome of await send(retried)) addOutcome(outcome);
    }
    const inOrder = batchConflicts.toSorted((one, other) => (isAfter(one.key, other.key) ? -1 : 1));
    conflicts.push(...inOrder.slice(0, maxNamed - conflicts.length));
    onProgress((importedCount += batch.length));
    batch = [];
    batchLength = 0;
  };

  return {
    /** @throws AppError BAD_USER_INPUT if the record is out of order. */
    async add(
      line: number,
      record: { kind: RecordKind; key: RecordKey; row: RowJson },
      length: number,
    ): Promise<void> {
      const { key, row } = record;
      if (record.kind !== kind) {
        await importRows();
        if (recordKinds.indexOf(record.kind) < recordKinds.indexOf(kind)) {
          throw lineError(line, `a ${record.kind} must not come after a ${kind}`);
        }
        kind = record.kind;
        lastKey = undefined;
      }
      if (lastKey && !isAfter(lastKey, key)) {
        const names = [nameRecord(kind, key), nameRecord(kind, lastKey)];
        throw lineError(
          line,
          `${names.join(' must not come after ')}: records must be sorted by key without duplicates`,
        );
      }
      lastKey = key;
      read[countNames[kind]]++;
      if (kind === 'serviceGroup') highest.serviceGroup = Math.max(highest.serviceGroup, key[0]);
      else highest.group = Math.max(highest.group, key[0]);
      batch.push({ key, row, line });
      batchLength += length;
      if (batch.length === maxBatchSize || batchLength > maxBatchLength) await importRows();
    },

    /** Imports the last batch, and returns the number of records of each kind. */
    async end(): Promise<RecordCounts> {
      await importRows();
      return read;
    },

    /** @throws AppError ALREADY_EXISTS if records conflict with existing data. */
    finish(lastIds: LastIds): FileImport {
      if (conflictCount > 0) throw conflictError(conflictCount, conflicts);
      return {
        counts,
        lastIds: {
          serviceGroup: Math.max(lastIds.serviceGroup, highest.serviceGroup),
          group: Math.max(lastIds.group, highest.group),
        },
      };
    },
  };
}

/** Returns an outcome without the records that are imported again. */
function withoutRecords({ outcome, count, keys }: OutcomeCount, ids: readonly number[]): OutcomeCount {
  const remainingKeys = isConflicting(outcome) ? keys.filter(([id]) => !ids.includes(id)) : keys;
  return { outcome, count: count - (keys.length - remainingKeys.length), keys: remainingKeys };
}

function emptyCounts(): Counts {
  return { added: 0, restored: 0, unchanged: 0 };
}

/**
 * Locks the tables in EXCLUSIVE mode: blocks writers and row locks, allows reads. Must come before the file is opened,
 * since it may be retried.
 */
async function lockTables(transaction: Transaction, isDryRun: boolean): Promise<void> {
  const [privilege] = await transaction.$queryRaw<{ move: boolean }[]>`
    SELECT has_sequence_privilege('service_groups_id_seq', 'UPDATE')
      AND has_sequence_privilege('groups_id_seq', 'UPDATE') AS move`;
  if (!privilege?.move && !isDryRun) {
    throw new OperatorError(
      'The database user lacks the privilege to advance the id sequences, which an import requires. As their owner: ' +
        'GRANT UPDATE ON SEQUENCE service_groups_id_seq, groups_id_seq TO the user. See docs/operations.md',
    );
  }
  await transaction.$executeRaw`
    LOCK TABLE service_groups, groups, subscribers, deleted_groups IN EXCLUSIVE MODE`;
  // The tables grow with every batch: a plan for small tables would scan large ones sequentially.
  await transaction.$executeRaw`SET LOCAL plan_cache_mode = force_custom_plan`;
}

/** Only forward, and last: setval is not transactional. */
async function advanceSequences(transaction: Transaction, { serviceGroup, group }: LastIds): Promise<void> {
  await transaction.$queryRaw`
    SELECT setval('service_groups_id_seq', ${serviceGroup}::int)::int FROM service_groups_id_seq
    WHERE ${serviceGroup}::int > CASE WHEN is_called THEN last_value ELSE 0 END`;
  await transaction.$queryRaw`
    SELECT setval('groups_id_seq', ${group}::int)::int FROM groups_id_seq
    WHERE ${group}::int > CASE WHEN is_called THEN last_value ELSE 0 END`;
}

function readNumberedLine(number: number, text: string): TransferLine {
  try {
    return parseLine(text);
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    throw lineError(number, error.message, error.details);
  }
}

/** Compares keys like PostgreSQL's collation "C": by the bytes of UTF-8. */
function isAfter([lastId, lastUsername = '']: RecordKey, [id, username = '']: RecordKey): boolean {
  if (id !== lastId) return id > lastId;
  return Buffer.compare(Buffer.from(username), Buffer.from(lastUsername)) > 0;
}

function requireCounts(line: number, expected: RecordCounts, read: RecordCounts): void {
  for (const name of Object.values(countNames)) {
    if (read[name] === expected[name]) continue;
    throw lineError(line, `the footer counts ${expected[name]} ${name}, but the file has ${read[name]}`);
  }
}

function orphanMessage(kind: RecordKind, row: RowJson): string {
  return kind === 'group'
    ? `there is no service group ${String(row['service_group_id'])}, neither in the file nor in the database`
    : `there is no group ${String(row['group_id'])}, neither in the file nor in the database`;
}

function nameRecord(kind: RecordKind, [id, username]: RecordKey): string {
  return kind === 'subscriber' ? `subscriber ${JSON.stringify(username)} of group ${id}` : `${kind} ${id}`;
}

function conflictError(count: number, conflicts: readonly Conflict[]): AppError {
  const problems = conflicts.map(({ kind, key, outcome }) => `${nameRecord(kind, key)} ${meanings[outcome]}`);
  const more = count > problems.length ? `; and ${count - problems.length} more` : '';
  const records = conflicts.map(({ kind, key: [id, username], outcome }) =>
    kind === 'subscriber' ? { kind, groupId: id, username, outcome } : { kind, id, outcome },
  );
  return new AppError(
    'ALREADY_EXISTS',
    `${count} ${count === 1 ? 'record conflicts' : 'records conflict'} with existing data, and nothing is overwritten: ${problems.join('; ')}${more}. Nothing was imported`,
    { count, records },
  );
}

const meanings: Record<ConflictOutcome, string> = {
  differs: 'exists with different content',
  archived: 'is deleted, and its archived content is different',
  live: 'exists: it is not deleted',
};
