import type { MutationCall } from '../../mutations/mutation-call.ts';
import type { MutationRunner, Transaction } from '../../mutations/mutation-runner.ts';
import { retryWhileUnavailable } from '../../database/database-errors.ts';
import { AppError, badInput } from '../../errors.ts';
import { Prisma, type PrismaClient } from '../../generated/prisma/client.ts';
import { maxNumbers, maxNumbersWithDuplicates } from './number-group.ts';

/** A list that somebody holds from now on. */
type KeptList = { readonly id: bigint; readonly count: number };

/** Where the numbers of a group come from. */
export type NumberSource = {
  /** Has the list kept when the transaction is committed. @throws AppError BAD_USER_INPUT, NOT_FOUND */
  keep(transaction: Transaction): Promise<KeptList>;
};

/** A list that is being written, a number at a time; no more than a chunk of it is in memory. Nobody sees it until it is kept. */
export type NumberListDraft = NumberSource & {
  /** Adds a number at the end, unless it is in the list. @throws AppError BAD_USER_INPUT where there are too many. */
  readonly add: (number: string) => Promise<void>;
  /** To be called when the last number is added. @throws AppError BAD_USER_INPUT where there are too many. */
  finish(): Promise<void>;
  /** Has the list wait as an upload for a group to take it. */
  keepAsUpload(transaction: Transaction, filename: string): Promise<KeptList>;
  /** To be called in the end: leaves nothing behind, unless the list was kept. */
  discard(): Promise<void>;
};

/** Where lists are written, kept and read. */
export type NumberListRepository = ReturnType<typeof createNumberListRepository>;

/** How many numbers a row holds. */
const chunkSize = 5000;
/** How long an upload waits for a group. A list that a group gave up can be read for as long. */
const unusedLifetime = Prisma.sql`interval '1 day'`;
/** How many lists one clean-up takes at most. */
const cleanUpBatchSize = 100;

/** The lists of phone numbers. */
export function createNumberListRepository(prisma: PrismaClient, mutations: MutationRunner) {
  return {
    /** Starts a list of the numbers that a caller gives in this field. */
    startList: (field: string): NumberListDraft => createDraft(prisma, field),

    /** Has a list wait, under a name, for a group to take it. @throws AppError BAD_USER_INPUT where it has no numbers. */
    async keepUpload(draft: NumberListDraft, filename: string, call: MutationCall): Promise<void> {
      await mutations.run(call, async (transaction) => {
        const { count } = await draft.keepAsUpload(transaction, filename);
        if (count === 0) throw badInput('file', 'file must hold phone numbers');
        return { result: { filename }, after: { filename, count } };
      });
    },

    /** The list of an upload, which one group can take. */
    takeUpload: (filename: string): NumberSource => ({
      async keep(transaction) {
        const [list] = await transaction.$queryRaw<KeptList[]>`
          UPDATE number_lists SET unused_since = NULL, filename = NULL
          WHERE filename = ${filename} AND unused_since > now() - ${unusedLifetime} RETURNING id, count`;
        if (list) return list;
        const message = 'There is no such file: it was used, or is older than a day. Upload it again';
        throw new AppError('NOT_FOUND', message, { argument: 'filename' });
      },
    }),

    /** The numbers of a list in order, some thousand at a time. */
    async *readNumbers(listId: bigint): AsyncGenerator<string[]> {
      for (let position = -1; ;) {
        const after = { listId, position: { gt: position } };
        // The start of the answer may be on its way already, for a change that is committed.
        const chunk = await retryWhileUnavailable(() =>
          prisma.numberListChunk.findFirst({ where: after, orderBy: { position: 'asc' } }),
        );
        if (!chunk) return;
        yield chunk.numbers;
        position = chunk.position;
      }
    },

    /** Removes lists that nobody has held for a day, and answers how many. Of several servers each takes what no other is just taking. */
    async removeUnused(): Promise<number> {
      return prisma.$executeRaw`
        WITH unused AS (
          SELECT id FROM number_lists WHERE unused_since <= now() - ${unusedLifetime}
          ORDER BY unused_since LIMIT ${cleanUpBatchSize} FOR UPDATE SKIP LOCKED
        ),
        chunks AS (DELETE FROM number_list_chunks USING unused WHERE list_id = unused.id)
        DELETE FROM number_lists USING unused WHERE number_lists.id = unused.id`;
    },
  };
}

/** Gives a list up: it is removed after a day, until when a slow reader may still read it. */
export async function releaseList(transaction: Transaction, id: bigint): Promise<void> {
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

  const keep = async (transaction: Transaction, filename: string | null): Promise<KeptList> => {
    if (id === undefined) {
      const listId = await insertList(transaction);
      await transaction.$executeRaw`
        INSERT INTO number_list_chunks (list_id, position, numbers)
        SELECT ${listId}, 0, numbers FROM (VALUES (${[...chunk]}::text[])) AS chunk (numbers) WHERE cardinality(numbers) > 0`;
      return setKept(transaction, { id: listId, count }, filename);
    }
    return setKept(transaction, { id, count }, filename);
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
    keep: (transaction) => keep(transaction, null),
    keepAsUpload: (transaction, filename) => keep(transaction, filename),
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

async function setKept(transaction: Transaction, list: KeptList, filename: string | null): Promise<KeptList> {
  await transaction.$executeRaw`
    UPDATE number_lists SET count = ${list.count}, filename = ${filename},
      unused_since = CASE WHEN ${filename}::text IS NOT NULL THEN now() END
    WHERE id = ${list.id}`;
  return list;
}

/** Writes a list anew behind its chunks, each number where it was first, and answers how many are left. It is the database that needs the memory. */
async function removeDuplicates(prisma: PrismaClient, id: bigint, chunks: number): Promise<number> {
  const [list] = await prisma.$queryRaw<{ count: number }[]>`
    WITH raw AS (DELETE FROM number_list_chunks WHERE list_id = ${id} RETURNING position, numbers),
    -- Compared byte by byte: in the order of a language it takes twice as long.
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
