import { textParser } from '../validation/input-parsers.ts';
import { maxDescriptionLength, maxNameLength } from './number-groups/number-group.ts';
import type { NumberGroupSearch, SortKey } from './number-groups/number-group-repository.ts';
import type { SearchFields } from './schemas.ts';

const defaultCount = 20;
const latestFirst = { date: -1 } as const;

/** A parsed search, with defaults applied. */
export type ParsedSearch = NumberGroupSearch & {
  readonly pagination: Required<NonNullable<SearchFields['pagination']>>;
};

/** Parses the fields of `search`. @throws AppError BAD_USER_INPUT */
export function parseSearch({ alike = true, conditions = {}, pagination = {} }: SearchFields): ParsedSearch {
  const { start = 0, count = defaultCount, sorting = {} } = pagination;
  const sortedBy = Object.keys(sorting).length > 0 ? sorting : latestFirst;
  return {
    alike: alike === true || alike === 'true',
    conditions: {
      name: textParser({ max: maxNameLength })(conditions.name ?? '', 'conditions.name'),
      description: textParser({ max: maxDescriptionLength, multiline: true })(
        conditions.description ?? '',
        'conditions.description',
      ),
    },
    start,
    count,
    sorting: Object.entries(sortedBy).map(([key, direction]) => [
      key as SortKey,
      direction === 1 ? 'ascending' : 'descending',
    ]),
    pagination: { start, count, sorting: sortedBy },
  };
}
