import type { Transaction } from '../mutations/mutation-runner.ts';
import { AppError } from '../errors.ts';
import type { RowJson } from '../database/row-json.ts';
import { importBatch, isConflicting, type ConflictOutcome, type OutcomeCount } from './import-statements.ts';
import type { Samples } from './import-samples.ts';
import type { FileRecord, NewIds } from './new-ids.ts';
import { lineError } from './read-lines.ts';
import {
  countNames,
  recordKinds,
  type LastIds,
  type RecordCounts,
  type RecordKey,
  type RecordKind,
} from './format.ts';

/** The numbers of records of each kind that an import added, restored from the archive, and left unchanged. */
export type OutcomeCounts = Readonly<Record<keyof RecordCounts, Counts>>;
type Counts = Record<'added' | 'restored' | 'unchanged', number>;

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
/** The maximum number of conflicts in an error. */
const maxNamed = 10;

export type RecordImportOptions = {
  /** The samples that conflicting records replace. If undefined, no record can conflict. */
  readonly samples: Samples | undefined;
  /** If undefined, ids are preserved. */
  readonly newIds: NewIds | undefined;
  readonly onProgress: (recordCount: number) => void;
};

/** The counts of the records of a file by outcome, and its highest ids. */
type ImportedRecords = { readonly counts: OutcomeCounts; readonly highestIds: LastIds };

/** Collects the records of a file, and imports them in batches. */
export function createRecordImport(
  transaction: Transaction,
  { samples, newIds, onProgress }: RecordImportOptions,
) {
  const read = { serviceGroups: 0, groups: 0, subscribers: 0, deletedGroups: 0, formerSubscribers: 0 };
  const counts = {
    serviceGroups: emptyCounts(),
    groups: emptyCounts(),
    subscribers: emptyCounts(),
    deletedGroups: emptyCounts(),
    formerSubscribers: emptyCounts(),
  };
  const highest = { serviceGroup: 0, group: 0 };
  const conflicts: Conflict[] = [];
  let conflictCount = 0;
  let isEachRetired = true;

  let kind: RecordKind = recordKinds[0];
  let lastKey: RecordKey | undefined;
  let batch: FileRecord[] = [];
  let batchLength = 0;
  let importedCount = 0;

  const importRows = async () => {
    if (batch.length === 0) return;
    const batchConflicts: Conflict[] = [];
    const addOutcome = ({ outcome, count, keys }: OutcomeCount) => {
      if (isConflicting(outcome)) {
        conflictCount += count;
        isEachRetired &&= outcome === 'retired';
        batchConflicts.push(...keys.map((key) => ({ kind, key, outcome })));
      } else if (outcome !== 'orphaned') {
        counts[countNames[kind]][outcome] += count;
      } else if (conflictCount === 0) {
        // After a conflict the missing group may be the conflicting record, which is reported at the end.
        const [id, username] = keys[0]!;
        const orphan = batch.find(({ key }) => key[0] === id && key[1] === username)!;
        throw lineError(orphan.line, orphanMessage(kind, orphan.row));
      }
    };
    const send = async (records: readonly FileRecord[]) => {
      const rows = newIds ? await newIds.assign(kind, records) : records.map(({ row }) => row);
      return importBatch[kind](transaction, JSON.stringify(rows));
    };
    const outcomes = await send(batch);
    const conflictingSamples = samples?.findConflicting(kind, outcomes) ?? [];
    for (const outcome of outcomes) addOutcome(withoutRecords(outcome, conflictingSamples));
    const retried = batch.filter(({ key: [id] }) => conflictingSamples.includes(id));
    for (const row of batch) if (!retried.includes(row)) samples?.markRead(kind, row.key);
    if (retried.length > 0) {
      await samples?.remove();
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

    /** @throws AppError ALREADY_EXISTS if records conflict with existing data; GROUP_RETIRED if only by retirements. */
    finish(): ImportedRecords {
      if (conflictCount > 0)
        throw conflictError(isEachRetired ? 'GROUP_RETIRED' : 'ALREADY_EXISTS', conflictCount, conflicts);
      return { counts, highestIds: highest };
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

/** Compares keys like PostgreSQL's collation "C": by the bytes of UTF-8. */
function isAfter([lastId, ...lastTexts]: RecordKey, [id, ...texts]: RecordKey): boolean {
  if (id !== lastId) return id > lastId;
  for (const [index, text] of texts.entries()) {
    const order = Buffer.compare(Buffer.from(text ?? ''), Buffer.from(lastTexts[index] ?? ''));
    if (order !== 0) return order > 0;
  }
  return false;
}

function orphanMessage(kind: RecordKind, row: RowJson): string {
  return kind === 'group'
    ? `there is no service group ${String(row['service_group_id'])}, neither in the file nor in the database`
    : `there is no group ${String(row['group_id'])}, neither in the file nor in the database`;
}

function nameRecord(kind: RecordKind, [id, username, removedAt]: RecordKey): string {
  if (username === undefined) return `${kind} ${id}`;
  const date = removedAt === undefined ? '' : `, removed at ${removedAt}`;
  return `${kind} ${JSON.stringify(username)} of group ${id}${date}`;
}

function conflictError(
  code: 'ALREADY_EXISTS' | 'GROUP_RETIRED',
  count: number,
  conflicts: readonly Conflict[],
): AppError {
  const problems = conflicts.map(({ kind, key, outcome }) => `${nameRecord(kind, key)} ${meanings[outcome]}`);
  const more = count > problems.length ? `; and ${count - problems.length} more` : '';
  const records = conflicts.map(({ kind, key: [id, username], outcome }) =>
    kind === 'subscriber' ? { kind, groupId: id, username, outcome } : { kind, id, outcome },
  );
  return new AppError(
    code,
    `${count} ${count === 1 ? 'record conflicts' : 'records conflict'} with existing data, and nothing is overwritten: ${problems.join('; ')}${more}. Nothing was imported`,
    { count, records },
  );
}

const meanings: Record<ConflictOutcome, string> = {
  differs: 'exists with different content',
  archived: 'is deleted, and its archived content is different',
  live: 'exists: it is not deleted',
  retired: 'would be added to a retired group, which accepts no subscribers: call cancelRetirement first',
};
