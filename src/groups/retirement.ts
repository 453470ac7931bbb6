import { AppError } from '../errors.ts';

/**
 * The planned delete of a retired group: the column `retirement` of its row, by the names of the API. The column
 * `retires_at` has its date. The column has the `reason`, too, which `group_row()` omits from stored rows.
 */
export type Retirement = {
  readonly retiredBy: string;
  /** That of the call of `retireGroup`, for the audit event of the delete. */
  readonly requestId: string;
  readonly moveSubscribersTo: number | null;
  /** The value of `hidden` before the group was retired. */
  readonly wasHidden: boolean;
  /** The last attempt to delete the group that failed. */
  readonly problem?: RetirementProblem;
};

/** A failed attempt to delete a retired group. */
export type RetirementProblem = {
  readonly code: string;
  readonly message: string;
  /** The number of failed attempts since the group was retired. */
  readonly attempts: number;
  /** A timestamp as PostgreSQL formats it in JSON. */
  readonly retryAt: string;
};

/** The error of a call that is rejected because a group is retired. `remedy` says what to do instead. */
export function groupRetired(
  { id, retiresAt }: { readonly id: number; readonly retiresAt: Date },
  argument: string,
  effect: string,
  remedy: string,
): AppError {
  const date = retiresAt.toISOString();
  return new AppError('GROUP_RETIRED', `Group ${id} is retired as of ${date} and ${effect}. ${remedy}`, {
    id,
    retiresAt: date,
    argument,
  });
}
