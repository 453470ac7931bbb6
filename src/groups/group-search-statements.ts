import { customPlan } from '../database/prepared-statements.ts';
import { AppError } from '../errors.ts';
import { Prisma } from '../generated/prisma/client.ts';
import { countLimit } from '../validation/total-count.ts';
import type { GroupOrderField, GroupSearch } from './group-search.ts';

const { sql, join, raw } = Prisma;
const timeLimitMs = 2000;

/**
 * Settings for the transaction of a search: a time limit, unless that of the database is lower, and no parallel
 * workers, so that one search occupies one core at most. JIT compilation takes longer than the statement itself.
 */
export const prepareSearch = sql`
  SELECT set_config('jit', 'off', true), set_config('max_parallel_workers_per_gather', '0', true),
    set_config('statement_timeout', CASE
      WHEN current_setting('statement_timeout')::interval BETWEEN interval '1 ms' AND ${`${timeLimitMs} ms`}::interval
      THEN current_setting('statement_timeout') ELSE ${String(timeLimitMs)} END, true)`;

/** Creates the error of a search that the database stopped at its time limit. */
export function searchTooSlow(cause: unknown): AppError {
  return new AppError(
    'QUERY_TOO_COMPLEX',
    `The search reached its time limit of ${timeLimitMs} ms, or a lower one of the database. Search for a text with three ` +
      'consecutive letters or digits, or add a filter',
    { limit: 'search time', maximum: timeLimitMs },
    { cause },
  );
}

/**
 * Returns whether the indexes support a filter. A text without three consecutive letters or digits has no trigram, so
 * that the text of every group may have to be read.
 */
export function isIndexed({ text }: GroupSearch['filter']): boolean {
  return text === undefined || /[\p{L}\p{M}\p{N}]{3}/u.test(text);
}

/** The maximum number of searches without an index that wait for their turn. */
export const maxWaitingSearches = 8;

/** The error of a search without an index while too many others wait. */
export function tooManySearches(): AppError {
  return new AppError(
    'SERVICE_UNAVAILABLE',
    'Too many searches for a text without three consecutive letters or digits are in progress. Try again later, or ' +
      'search for a longer text',
  );
}

/**
 * Writes the statement that returns one page, and one more group if there are more: `row` as JSON. It finds the ids in
 * an index, which has all columns of filters, and reads the rows of the page only.
 */
export function writeGroupPageStatement(search: GroupSearch): Prisma.Sql {
  const { field, direction, first } = search;
  const { name } = columnOf[field];
  const order = raw(name === 'id' ? `id ${direction}` : `${name} ${direction}, id ${direction}`);
  return sql`
    WITH page AS MATERIALIZED (
      SELECT id FROM groups WHERE ${whereFilter(search, whereTextByFewTrigrams)} AND ${whereAfterCursor(search)}
      ORDER BY ${order} LIMIT ${first + 1}
    )
    SELECT group_row(groups) AS row FROM page JOIN groups USING (id) ORDER BY ${order} ${raw(customPlan)}`;
}

/** Writes the statement that counts the groups that match a filter, up to `countLimit`, as `count`. */
export function writeGroupCountStatement(search: Pick<GroupSearch, 'filter'>): Prisma.Sql {
  return sql`
    SELECT count(*)::int AS count FROM (SELECT FROM groups WHERE ${whereFilter(search)} LIMIT ${countLimit}) AS counted
    ${raw(customPlan)}`;
}

/** The column of each sort order, and its SQL type, to which the text of a cursor value is cast. */
const columnOf: Record<GroupOrderField, { readonly name: string; readonly type: string }> = {
  ID: { name: 'id', type: 'int' },
  NAME: { name: 'name', type: 'text' },
  PRICE: { name: 'price', type: 'numeric' },
  DURATION: { name: 'duration', type: 'int' },
  CREATED_AT: { name: 'created_at', type: 'timestamptz' },
};

/** The folded text of a group, the same expression as in the index groups_search_idx. */
const groupText = raw(String.raw`fold_text(name || E'\x01' || tag_name || E'\x01' || description)`);

function whereText(text: string): Prisma.Sql {
  return sql`${groupText} LIKE fold_pattern(${text})`;
}

/**
 * The same condition with fewer trigrams: those inside of long words are left out, and the rows of the others checked.
 * The index reads the whole list of groups of each trigram, also of a frequent word next to a rare one.
 */
function whereTextByFewTrigrams(text: string): Prisma.Sql {
  if (!/[\p{L}\p{N}]{7}/u.test(text)) return whereText(text);
  const longWord = '([[:alnum:]]{3})[[:alnum:]]{1,3}([[:alnum:]]{3})';
  return sql`${groupText} LIKE regexp_replace(fold_pattern(${text}), ${longWord}, ${String.raw`\1%\2`}, 'g')
    AND strpos(${groupText}, fold_text(${text})) > 0`;
}

function whereFilter(
  { filter }: Pick<GroupSearch, 'filter'>,
  writeTextCondition: (text: string) => Prisma.Sql = whereText,
): Prisma.Sql {
  const { text, tagName, serviceGroupId, minPrice, maxPrice, minDuration, maxDuration, hidden, isRetired } =
    filter;
  const conditions = [
    text !== undefined && writeTextCondition(text),
    tagName !== undefined && sql`tag_name = ${tagName}`,
    serviceGroupId !== undefined && sql`service_group_id = ${serviceGroupId}::int`,
    hidden !== undefined && sql`hidden = ${hidden}::boolean`,
    // In the partial index of the retired groups, which are few; of the others, almost every row matches.
    isRetired !== undefined && (isRetired ? sql`retires_at IS NOT NULL` : sql`retires_at IS NULL`),
    minPrice !== undefined && sql`price >= ${minPrice}::numeric`,
    maxPrice !== undefined && sql`price <= ${maxPrice}::numeric`,
    minDuration !== undefined && sql`duration >= ${minDuration}::int`,
    maxDuration !== undefined && sql`duration <= ${maxDuration}::int`,
    // The planner evaluates these before anything is read.
    minPrice !== undefined && maxPrice !== undefined && sql`${minPrice}::numeric <= ${maxPrice}::numeric`,
    minDuration !== undefined && maxDuration !== undefined && sql`${minDuration}::int <= ${maxDuration}::int`,
  ];
  return join([sql`true`, ...conditions.filter((condition) => condition !== false)], ' AND ');
}

/** The rows after the cursor, as a comparison of rows: PostgreSQL starts there inside the index. */
function whereAfterCursor({ after, field, direction }: GroupSearch): Prisma.Sql {
  if (!after) return sql`true`;
  const { name, type } = columnOf[field];
  const beyond = raw(direction === 'ASC' ? '>' : '<');
  if (name === 'id') return sql`id ${beyond} ${after.id}::int`;
  return sql`(${raw(name)}, id) ${beyond} (${String(after.key)}::text::${raw(type)}, ${after.id}::int)`;
}
