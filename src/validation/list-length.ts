import { AppError } from '../errors.ts';

/** The maximum length of an unpaginated list, to protect clients and the server. */
const maxListLength = 10_000;

/** The rows of the first page of a list, which are most lists, and of each further one. */
const firstPageLength = 100;
const pageLength = 500;

/** No row has an id up to this one. */
const beforeFirstId = -(2 ** 31);

/** Only one further page is read at a time, by all requests together. */
let furtherPage: Promise<unknown> = Promise.resolve();

/**
 * Reads an unpaginated list in pages, between which other requests are served: ten thousand rows at once would block
 * them for a tenth of a second. Long lists are not read at one point in time: rows may change between two pages. A list
 * above the limit is rejected instead of truncated silently; `advice` names an alternative.
 * @param readPage returns at most `take` rows with ids above `after`, sorted by id
 * @throws AppError QUERY_TOO_COMPLEX
 */
export async function readLongList<Row extends { readonly id: number }>(
  readPage: (after: number, take: number) => Promise<Row[]>,
  advice = '',
): Promise<Row[]> {
  const rows = await readPage(beforeFirstId, firstPageLength);
  let isComplete = rows.length < firstPageLength;
  while (!isComplete) {
    const take = Math.min(pageLength, maxListLength + 1 - rows.length);
    const reading = furtherPage.then(() => readPage(rows.at(-1)!.id, take));
    furtherPage = reading.catch(() => undefined);
    const page = await reading;
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
