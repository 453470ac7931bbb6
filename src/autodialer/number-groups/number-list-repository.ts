import type { MutationCall } from '../../mutations/mutation-call.ts';
import type { MutationRunner, Transaction } from '../../mutations/mutation-runner.ts';
import { retryWhileUnavailable } from '../../database/database-errors.ts';
import { AppError, badInput } from '../../errors.ts';
import { Prisma, type PrismaClient } from '../../generated/prisma/client.ts';
import { maxNumbers, maxNumbersWithDuplicates } from './number-group.ts';

/** A list that is attached to a group or an upload. */
type StoredList = { readonly id: bigint; readonly count: number };

/** The source of a group's numbers: a new list or an upload. */
export type NumberSource = {
  /** Attaches the list to a group as part of the transaction. @throws AppError BAD_USER_INPUT, NOT_FOUND */
  attach(transaction: Transaction): Promise<StoredList>;
};

/** A list that is being written, with at most one chunk in memory. It is not visible until it is attached. */
export type NumberListDraft = NumberSource & {
  /** Appends a number, unless the list contains it. @throws AppError BAD_USER_INPUT if there are too many. */
  readonly add: (number: string) => Promise<void>;
  /** Call after the last number. @throws AppError BAD_USER_INPUT if there are too many. */
  finish(): Promise<void>;
  /** Stores the list as an upload that a group can claim. */
  attachToUpload(transaction: Transaction, filename: string): Promise<StoredList>;
  /** Call at the end: removes the list, unless it was attached. */
  discard(): Promise<void>;
};

/** Writes, attaches and reads lists. */
export type NumberListRepository = ReturnType<typeof createNumberListRepository>;

/** The number of phone numbers in a row. */
const chunkSize = 5000;
/** How long an upload can be claimed, and a detached list can still be read. */
const unusedLifetime = Prisma.sql`interval '1 day'`;
/** The maximum number of lists of one clean-up. */
const cleanUpBatchSize = 100;

/** Creates the repository of phone number lists. */
export function createNumberListRepository(prisma: PrismaClient, mutations: MutationRunner) {
  return {
    /** Starts a list. `field` is the request field that errors name. */
    startList: (field: string): NumberListDraft => createDraft(prisma, field),

    /** Stores a list as an upload, until a group claims it. @throws AppError BAD_USER_INPUT if it has no numbers. */
    async storeUpload(draft: NumberListDraft, filename: string, call: MutationCall): Promise<void> {
      await mutations.run(call, async (transaction) => {
        const { count } = await draft.attachToUpload(transaction, filename);
        if (count === 0) throw badInput('file', 'file must contain phone numbers');
        return { result: { filename }, after: { filename, count } };
      });
    },

    /** Returns the list of an upload as a source. Only one group can claim it. */
    claimUpload: (filename: string): NumberSource => ({
      async attach(transaction) {
        const [list] = await transaction.$queryRaw<StoredList[]>`
          UPDATE number_lists SET unused_since = NULL, filename = NULL
          WHERE filename = ${filename} AND unused_since > now() - ${unusedLifetime} RETURNING id, count`;
        if (list) return list;
        const message = 'There is no such file: it was used, or is older than a day. Upload it again';
        throw new AppError('NOT_FOUND', message, { argument: 'filename' });
      },
    }),

    /** Yields the numbers of a list in order, in chunks. */
    async *readNumbers(listId: bigint): AsyncGenerator<string[]> {
      for (let position = -1; ;) {
        const after = { listId, position: { gt: position } };
        // The change is committed, and the start of the response may already be sent.
        const chunk = await retryWhileUnavailable(() =>
          prisma.numberListChunk.findFirst({ where: after, orderBy: { position: 'asc' } }),
        );
        if (!chunk) return;
        yield chunk.numbers;
        position = chunk.position;
      }
    },
  };
}

/**
 * Removes a batch of lists that have been unused for a day, and returns their number. Safe to run concurrently (SKIP
 * LOCKED).
 */
export async function removeUnusedLists(prisma: PrismaClient): Promise<number> {
  return prisma.$executeRaw`
    WITH unused AS (
      SELECT id FROM number_lists WHERE unused_since <= now() - ${unusedLifetime}
      ORDER BY unused_since LIMIT ${cleanUpBatchSize} FOR UPDATE SKIP LOCKED
    ),
    chunks AS (DELETE FROM number_list_chunks USING unused WHERE list_id = unused.id)
    DELETE FROM number_lists USING unused WHERE number_lists.id = unused.id`;
}

/** Detaches a list from its group. It is removed after a day, so that slow readers can finish. */
export async function detachList(transaction: Transaction, id: bigint): Promise<void> {
  await transaction.$executeRaw`UPDATE number_lists SET unused_since = now() WHERE id = ${id}`;
}

function createDraft(prisma: PrismaClient, field: string): NumberListDraft {
  let id: bigint | undefined;
  let chunks = 0;
  let count = 0;
  let chunk = new Set<string>();

  const writeChunk = async () => {
    id ??= await insertList(prisma);
    const numbers = [...chunk];
    await prisma.$executeRaw`
      INSERT INTO number_list_chunks (list_id, position, numbers) VALUES (${id}, ${chunks}, ${numbers}::text[])`;
    chunks++;
    chunk = new Set();
  };

  const attach = async (transaction: Transaction, filename: string | null): Promise<StoredList> => {
    if (id === undefined) {
      const listId = await insertList(transaction);
      await transaction.$executeRaw`
        INSERT INTO number_list_chunks (list_id, position, numbers)
        SELECT ${listId}, 0, numbers FROM (VALUES (${[...chunk]}::text[])) AS chunk (numbers) WHERE cardinality(numbers) > 0`;
      return markInUse(transaction, { id: listId, count }, filename);
    }
    return markInUse(transaction, { id, count }, filename);
  };

  return {
    async add(number) {
      chunk.add(number);
      if (chunk.size < chunkSize) return;
      if (chunks * chunkSize >= maxNumbersWithDuplicates) throw tooManyNumbers(field);
      await writeChunk();
    },
    async finish() {
      count = chunk.size;
      if (chunks > 0) {
        if (chunk.size > 0) await writeChunk();
        count = await removeDuplicates(prisma, id!, chunks);
      }
      if (count > maxNumbers) throw tooManyNumbers(field);
    },
    attach: (transaction) => attach(transaction, null),
    attachToUpload: (transaction, filename) => attach(transaction, filename),
    async discard() {
      if (id === undefined) return;
      await prisma.$executeRaw`
        WITH discarded AS (
          DELETE FROM number_lists WHERE id = ${id} AND unused_since IS NOT NULL AND filename IS NULL RETURNING id
        )
        DELETE FROM number_list_chunks USING discarded WHERE list_id = discarded.id`;
    },
  };
}

function tooManyNumbers(field: string): AppError {
  const message = `${field} must have at most ${maxNumbers} numbers, or ${maxNumbersWithDuplicates} with duplicates`;
  return badInput(field, message);
}

async function insertList(client: Pick<PrismaClient, '$queryRaw'>): Promise<bigint> {
  const [list] = await client.$queryRaw<
    { id: bigint }[]
  >`INSERT INTO number_lists DEFAULT VALUES RETURNING id`;
  return list!.id;
}

async function markInUse(
  transaction: Transaction,
  list: StoredList,
  filename: string | null,
): Promise<StoredList> {
  await transaction.$executeRaw`
    UPDATE number_lists SET count = ${list.count}, filename = ${filename},
      unused_since = CASE WHEN ${filename}::text IS NOT NULL THEN now() END
    WHERE id = ${list.id}`;
  return list;
}

/**
 * Rewrites a list without duplicates, in the order of first occurrence, and returns its length. Sorting uses the
 * database's memory.
 */
async function removeDuplicates(prisma: PrismaClient, id: bigint, chunks: number): Promise<number> {
  const [list] = await prisma.$queryRaw<{ count: number }[]>`
    WITH raw AS (DELETE FROM number_list_chunks WHERE list_id = ${id} RETURNING position, numbers),
    -- Compared bytewise: with the collation of a language it takes twice as long.
    distinct_numbers AS (
      SELECT number COLLATE "C" AS number, min(position * ${chunkSize}::bigint + ordinal) AS place
      FROM raw, unnest(numbers) WITH ORDINALITY AS entry (number, ordinal) GROUP BY 1
    ),
    numbered AS (SELECT number, row_number() OVER (ORDER BY place) - 1 AS row FROM distinct_numbers),
    written AS (
      INSERT INTO number_list_chunks (list_id, position, numbers)
      SELECT ${id}, ${chunks} + row / ${chunkSize}::bigint, array_agg(number ORDER BY row) FROM numbered GROUP BY 2
      RETURNING cardinality(numbers) AS size
    )
    SELECT coalesce(sum(size), 0)::int AS count FROM written`;
  return list!.count;
}
