import type { MutationRunner, Transaction } from '../mutations/mutation-runner.ts';
import type { MutationCall } from '../mutations/mutation-call.ts';
import type { SampleIds } from '../groups/sample-groups.ts';
import { AppError, lockTimeout } from '../errors.ts';
import { createRecordImport, type OutcomeCounts, type RecordImportOptions } from './import-records.ts';
import { countRows, openSamples } from './import-samples.ts';
import { openNewIds, type NewIdMaps, type NewIds } from './new-ids.ts';
import { parseLine } from './parse-line.ts';
import { lineError, readLines } from './read-lines.ts';
import { countNames, maxLineBytes, type LastIds, type RecordCounts, type TransferLine } from './format.ts';

/**
 * The counts of records by outcome; the numbers of sample records that were removed, if any; and with new ids, how many
 * records of each kind got one.
 */
export type ImportCounts = OutcomeCounts & {
  readonly samplesRemoved?: Readonly<Record<keyof SampleIds, number>>;
  readonly newIdCounts?: NewIds['counts'];
};

/** The source of an import: `open` starts to read the file, and may be called once. */
type ImportSource = {
  readonly open: () => AsyncIterable<Buffer>;
  readonly onProgress: (recordCount: number) => void;
  /**
   * Called with the new ids before they are committed; an error rejects the import. If undefined, ids are preserved.
   */
  readonly onNewIds?: ((maps: NewIdMaps) => Promise<void>) | undefined;
};

/** Long enough for a slow input. */
const timeoutMs = 24 * 60 * 60 * 1000;

/**
 * Imports a file of `exportGroups` atomically, with one audit event. Identical records are left unchanged, identical
 * deleted groups are restored, and nothing is overwritten except unchanged samples: a complete export, or a file that
 * conflicts with one of them, replaces them. With new ids nothing conflicts, and all existing data stays. Reads
 * continue during the import, other writers are blocked.
 * @throws AppError BAD_USER_INPUT with the line number; ALREADY_EXISTS with the first ten conflicts;
 *   FORBIDDEN if the database's user may not advance the id sequences.
 */
export async function importGroups(
  mutations: MutationRunner,
  { open, onProgress, onNewIds }: ImportSource,
  call: MutationCall,
): Promise<ImportCounts> {
  let isOpen = false;
  const work = async (transaction: Transaction) => {
    if (isOpen) throw lockTimeout();
    await lockTables(transaction, call.isDryRun);
    isOpen = true;
    const samples = onNewIds ? undefined : await openSamples(transaction);
    const newIds = onNewIds && (await openNewIds(transaction));
    const { counts, lastIds } = await importFile(transaction, open(), { samples, newIds, onProgress });
    if (newIds) await onNewIds(newIds.maps);
    if (!call.isDryRun) await advanceSequences(transaction, newIds?.lastIds ?? lastIds);
    if (newIds) return createResult({ ...counts, newIdCounts: newIds.counts });
    return samples?.hasRemoved
      ? {
          ...createResult({ ...counts, samplesRemoved: countRows(samples.removed) }),
          before: { samples: samples.removed },
          targetIds: samples.removed.groups.map(({ id }) => Number(id)),
        }
      : createResult(counts);
  };
  return mutations.run(call, work, { timeoutMs });
}

function createResult(counts: ImportCounts) {
  return { result: counts, after: counts };
}

/** The counts of the records of a file by outcome, and the ids that must not be assigned again. */
type FileImport = { readonly counts: OutcomeCounts; readonly lastIds: LastIds };

async function importFile(
  transaction: Transaction,
  chunks: AsyncIterable<Buffer>,
  options: RecordImportOptions,
): Promise<FileImport> {
  const records = createRecordImport(transaction, options);
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
  if (lastIds) await options.samples?.remove();
  const { counts, highestIds } = records.finish();
  return {
    counts,
    lastIds: {
      serviceGroup: Math.max(lastIds?.serviceGroup ?? 0, highestIds.serviceGroup),
      group: Math.max(lastIds?.group ?? 0, highestIds.group),
    },
  };
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
    throw new AppError(
      'FORBIDDEN',
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

function requireCounts(line: number, expected: RecordCounts, read: RecordCounts): void {
  for (const name of Object.values(countNames)) {
    if (read[name] === expected[name]) continue;
    throw lineError(line, `the footer counts ${expected[name]} ${name}, but the file has ${read[name]}`);
  }
}
