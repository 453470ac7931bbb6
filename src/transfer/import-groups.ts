import type { MutationRunner, Transaction } from '../mutations/mutation-runner.ts';
import type { MutationCall } from '../mutations/mutation-call.ts';
import type { RowJson } from '../database/row-json.ts';
import type { SampleIds } from '../groups/sample-groups.ts';
import { AppError, lockTimeout, OperatorError } from '../errors.ts';
import { importBatch, isObstacle, type Obstruction, type OutcomeCount } from './import-statements.ts';
import { countRows, openSamples, type Samples } from './import-samples.ts';
import { lineError, readLines } from './read-lines.ts';
import {
  countNames,
  maxLineBytes,
  readLine,
  recordKinds,
  type LastIds,
  type RecordCounts,
  type RecordKey,
  type RecordKind,
  type TransferLine,
} from './format.ts';

/**
 * How many records of each kind an import added, brought back from the archive, and left as they were; and how many sample records
 * gave way to it, if any did.
 */
export type ImportCounts = Readonly<Record<keyof RecordCounts, Counts>> & {
  readonly samplesRemoved?: Readonly<Record<keyof SampleIds, number>>;
};
type Counts = Record<'added' | 'restored' | 'unchanged', number>;

/** What to import: `open` starts to read the file, and may be called once. */
export type ImportSource = {
  readonly open: () => AsyncIterable<Buffer>;
  readonly onProgress: (recordCount: number) => void;
};

/** A record that is in the way of one of the file. */
type Obstacle = {
  readonly kind: RecordKind;
  readonly key: RecordKey;
  readonly outcome: Obstruction;
};

/** How many records are imported by a statement. */
const maxBatchSize = 1000;
/** And of how many characters: Prisma keeps the arguments of its last hundred statements, for a log that nobody reads. */
const maxBatchLength = 256 * 1024;
/** For as long as a slow file takes. */
const timeoutMs = 24 * 60 * 60 * 1000;
/** How many obstacles an error names. */
const maxNamed = 10;

/**
 * Imports a file of `exportGroups`, all of it or nothing, with one audit entry. What is there already with the same content stays,
 * a deleted group with the same content comes back, and nothing is overwritten, but for the samples: those that nobody has touched give
 * way to a whole export, and to a file that one of them is in the way of. Reads go on meanwhile, other writers wait.
 * @throws AppError BAD_USER_INPUT that names the line; ALREADY_EXISTS with the first ten that are in the way.
 */
export async function importGroups(
  mutations: MutationRunner,
  { open, onProgress }: ImportSource,
  call: MutationCall,
): Promise<ImportCounts> {
  let isOpen = false;
  const work = async (transaction: Transaction) => {
    if (isOpen) throw lockTimeout();
    await holdTables(transaction, call.isDryRun);
    isOpen = true;
    const samples = await openSamples(transaction);
    const { counts, lastIds } = await importFile(transaction, open(), { samples, onProgress });
    if (!call.isDryRun) await moveSequencesOn(transaction, lastIds);
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

/** What is known of a file once it has been read: what became of its records, and the ids up to which it has any. */
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
  let isWhole = false;
  for await (const { number, text } of readLines(chunks, maxLineBytes)) {
    lineCount = number;
    if (text.trim() === '') continue;
    if (isWhole) throw lineError(number, 'the file goes on behind its counts');
    const line = readNumberedLine(number, text);
    if (hasHeader === (line.kind === 'header')) {
      throw lineError(number, 'the header must be the first line, and no other');
    }
    hasHeader = true;
    if (line.kind === 'header') lastIds = line.lastIds;
    else if (line.kind === 'end') {
      requireCounts(number, line.counts, await records.end());
      isWhole = true;
    } else await records.add(number, line, text.length);
  }
  if (!isWhole) throw lineError(lineCount + 1, 'the file ends without its counts, so that it is not whole');
  // Only a whole export has them. A copy of some groups leaves the samples of a server that is being tried out.
  if (lastIds) await samples.remove();
  return records.finish(lastIds ?? { serviceGroup: 0, group: 0 });
}

type RecordImportOptions = {
  readonly samples: Samples;
  readonly onProgress: (recordCount: number) => void;
};

/** Takes the records of a file as they come, and imports them in batches. */
function createRecordImport(transaction: Transaction, { samples, onProgress }: RecordImportOptions) {
  const read = { serviceGroups: 0, groups: 0, subscribers: 0, deletedGroups: 0 };
  const counts = {
    serviceGroups: emptyCounts(),
    groups: emptyCounts(),
    subscribers: emptyCounts(),
    deletedGroups: emptyCounts(),
  };
  const highest = { serviceGroup: 0, group: 0 };
  const obstacles: Obstacle[] = [];
  let obstacleCount = 0;

  let kind: RecordKind = recordKinds[0];
  let lastKey: RecordKey | undefined;
  let batch: { readonly key: RecordKey; readonly row: RowJson; readonly line: number }[] = [];
  let batchLength = 0;
  let importedCount = 0;

  const importRows = async () => {
    if (batch.length === 0) return;
    const inTheWay: Obstacle[] = [];
    const note = ({ outcome, count, keys }: OutcomeCount) => {
      if (isObstacle(outcome)) {
        obstacleCount += count;
        inTheWay.push(...keys.map((key) => ({ kind, key, outcome })));
      } else if (outcome !== 'orphaned') {
        counts[countNames[kind]][outcome] += count;
      } else if (obstacleCount === 0) {
        // Else its group may be what is in the way, which is told of in the end.
        const orphan = batch.find(({ key }) => key.join() === keys[0]!.join())!;
        throw lineError(orphan.line, orphanMessage(kind, orphan.row));
      }
    };
    const send = (rows: typeof batch) =>
      importBatch[kind](transaction, JSON.stringify(rows.map(({ row }) => row)));
    const outcomes = await send(batch);
    const samplesInTheWay = samples.findInTheWay(kind, outcomes);
    for (const each of outcomes) note(leaveOut(each, samplesInTheWay));
    const again = batch.filter(({ key: [id] }) => samplesInTheWay.includes(id));
    for (const row of batch) if (!again.includes(row)) samples.markRead(kind, row.key);
    if (again.length > 0) {
      await samples.remove();
      for (const each of await send(again)) note(each);
    }
    const inOrder = inTheWay.toSorted((one, other) => (isBehind(one.key, other.key) ? -1 : 1));
    obstacles.push(...inOrder.slice(0, maxNamed - obstacles.length));
    onProgress((importedCount += batch.length));
    batch = [];
    batchLength = 0;
  };

  return {
    /** @throws AppError BAD_USER_INPUT where the record is not in its place. */
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
      if (lastKey && !isBehind(lastKey, key)) {
        const names = [nameRecord(kind, key), nameRecord(kind, lastKey)];
        throw lineError(
          line,
          `${names.join(' must not come after ')}: records stand by their keys, each once`,
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

    /** Imports what is left, and answers how many records there were of each kind. */
    async end(): Promise<RecordCounts> {
      await importRows();
      return read;
    },

    /** @throws AppError ALREADY_EXISTS where something was in the way. */
    finish(lastIds: LastIds): FileImport {
      if (obstacleCount > 0) throw obstacleError(obstacleCount, obstacles);
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

/** What came of a batch, less the records that are imported again. */
function leaveOut({ outcome, count, keys }: OutcomeCount, ids: readonly number[]): OutcomeCount {
  const left = isObstacle(outcome) ? keys.filter(([id]) => !ids.includes(id)) : keys;
  return { outcome, count: count - (keys.length - left.length), keys: left };
}

function emptyCounts(): Counts {
  return { added: 0, restored: 0, unchanged: 0 };
}

/**
 * Keeps all others out but plain reads: writers, and those who lock a row to write later, so that what was looked at stays so. Before
 * the file is opened, since this may have to be tried again.
 */
async function holdTables(transaction: Transaction, isDryRun: boolean): Promise<void> {
  const [may] = await transaction.$queryRaw<{ move: boolean }[]>`
    SELECT has_sequence_privilege('service_groups_id_seq', 'UPDATE')
      AND has_sequence_privilege('groups_id_seq', 'UPDATE') AS move`;
  if (!may?.move && !isDryRun) {
    throw new OperatorError(
      "The database's user may not move the sequences of the ids on, which an import needs. As their owner: " +
        'GRANT UPDATE ON SEQUENCE service_groups_id_seq, groups_id_seq TO it. See docs/operations.md',
    );
  }
  await transaction.$executeRaw`
    LOCK TABLE service_groups, groups, subscribers, deleted_groups IN EXCLUSIVE MODE`;
  // The tables grow by the batch: what was planned for small ones would read large ones from end to end.
  await transaction.$executeRaw`SET LOCAL plan_cache_mode = force_custom_plan`;
}

/** Never back, and in the end of all: no transaction undoes it. */
async function moveSequencesOn(transaction: Transaction, { serviceGroup, group }: LastIds): Promise<void> {
  await transaction.$queryRaw`
    SELECT setval('service_groups_id_seq', ${serviceGroup}::int)::int FROM service_groups_id_seq
    WHERE ${serviceGroup}::int > CASE WHEN is_called THEN last_value ELSE 0 END`;
  await transaction.$queryRaw`
    SELECT setval('groups_id_seq', ${group}::int)::int FROM groups_id_seq
    WHERE ${group}::int > CASE WHEN is_called THEN last_value ELSE 0 END`;
}

function readNumberedLine(number: number, text: string): TransferLine {
  try {
    return readLine(text);
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    throw lineError(number, error.message, error.details);
  }
}

/** As PostgreSQL's collation "C" sorts: by the bytes of UTF-8. */
function isBehind([lastId, lastUsername = '']: RecordKey, [id, username = '']: RecordKey): boolean {
  if (id !== lastId) return id > lastId;
  return Buffer.compare(Buffer.from(username), Buffer.from(lastUsername)) > 0;
}

function requireCounts(line: number, expected: RecordCounts, read: RecordCounts): void {
  for (const name of Object.values(countNames)) {
    if (read[name] === expected[name]) continue;
    throw lineError(line, `the file was written with ${expected[name]} ${name}, and has ${read[name]}`);
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

function obstacleError(count: number, obstacles: readonly Obstacle[]): AppError {
  const problems = obstacles.map(({ kind, key, outcome }) => `${nameRecord(kind, key)} ${meanings[outcome]}`);
  const more = count > problems.length ? `; and ${count - problems.length} more` : '';
  const records = obstacles.map(({ kind, key: [id, username], outcome }) =>
    kind === 'subscriber' ? { kind, groupId: id, username, outcome } : { kind, id, outcome },
  );
  return new AppError(
    'ALREADY_EXISTS',
    `What is there is in the way of ${count} of the file's records, and nothing is overwritten: ${problems.join('; ')}${more}. Nothing was imported`,
    { count, records },
  );
}

const meanings: Record<Obstacle['outcome'], string> = {
  differs: 'is there with other content',
  archived: 'is deleted, and the archive has other content',
  live: 'is live: it is not deleted',
};
