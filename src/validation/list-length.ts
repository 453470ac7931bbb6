import { AppError } from '../errors.ts';
import { untilCompleted } from '../process/event-loop-turns.ts';

/** The maximum length of an unpaginated list, to protect clients and the server. */
const maxListLength = 10_000;

/** The rows of the first page of a list, which are most lists, and of each further one. */
const firstPageLength = 100;
const pageLength = 250;

/** No row has an id up to this one. */
const beforeFirstId = -(2 ** 31);

/** Only one long list is read and completed at a time, by all requests together. */
let lastLongList: Promise<unknown> = Promise.resolve();

/** Returns at most `take` rows with ids above `after`, sorted by id. */
type ReadPage<Row> = (after: number, take: number) => Promise<Row[]>;

/**
 * Reads an unpaginated list in pages, between which other requests are served: ten thousand rows at once would block
 * them for a tenth of a second. The rest of a long list waits until the previous long list is completed: the garbage
 * collections of many lists in memory would block as long. Long lists are not read at one point in time: rows may
 * change between two pages. A list above the limit is rejected instead of truncated silently; `advice` names an
 * alternative.
 * @throws AppError QUERY_TOO_COMPLEX
 */
export async function readLongList<Row extends { readonly id: number }>(
  readPage: ReadPage<Row>,
  advice = '',
): Promise<Row[]> {
  const rows = await readPage(beforeFirstId, firstPageLength);
  if (rows.length < firstPageLength) return rows;
  const reading = lastLongList.then(() => readRest(rows, readPage, advice));
  lastLongList = reading.catch(() => undefined).then(untilCompleted);
  return reading;
}

async function readRest<Row extends { readonly id: number }>(
  rows: Row[],
  readPage: ReadPage<Row>,
  advice: string,
): Promise<Row[]> {
  for (let isComplete = false; !isComplete;) {
    const take = Math.min(pageLength, maxListLength + 1 - rows.length);
    const page = await readPage(rows.at(-1)!.id, take);
    rows.push(...page);
    if (rows.length > maxListLength) throw tooLong(advice);
    isComplete = page.length < take;
  }
  return rows;
}

function tooLong(advice: string): AppError {
  return new AppError(
    'QUERY_TOO_COMPLEX',
    `The list has more than ${maxListLength} entries, the limit for an unpaginated list. ${advice}`.trim(),
    { limit: 'list length', maximum: maxListLength },
  );
}
