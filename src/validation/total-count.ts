/** The number of entries of a list, as `totalCount` and `totalCountIsExact` of the API. */
export type TotalCount = { readonly totalCount: number; readonly totalCountIsExact: boolean };

/** The largest number that is counted exactly, so that counting a long list costs little. */
const maxTotalCount = 10_000;

/** How many entries a statement needs to count at most. */
export const countLimit = maxTotalCount + 1;

/** Converts the number of entries that a statement has counted, up to `countLimit`. */
export function toTotalCount(counted: number): TotalCount {
  return { totalCount: Math.min(counted, maxTotalCount), totalCountIsExact: counted <= maxTotalCount };
}
