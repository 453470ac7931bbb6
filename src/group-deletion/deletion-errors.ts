import { AppError, lockTimeout, serviceUnavailable, type ErrorCode } from '../errors.ts';
import { GroupNotFoundError } from '../groups/group.ts';
import { keyReused } from '../mutations/idempotency.ts';
import type { BlockedDeletion } from './delete-many-statement.ts';
import type { DeletionErrorCode } from './delete-statement.ts';

/** The group to delete, and the version that the caller expects. */
type DeletionTarget = { readonly id: number; readonly expectedVersion: number | null };

/** The error of a rejected delete: the same for single deletes, bulk deletes and previews. */
export function deletionError(
  outcome: DeletionErrorCode,
  { version, subscriberCount }: { version: number; subscriberCount: number },
  { id, expectedVersion }: DeletionTarget,
): AppError {
  switch (outcome) {
    case 'NOT_FOUND':
      return new GroupNotFoundError(id);
    case 'GROUP_PROTECTED':
      return new AppError(outcome, 'Cannot delete a protected group');
    case 'VERSION_CONFLICT':
      return new AppError(
        outcome,
        `Group ${id} is at version ${version}, not at expectedVersion ${expectedVersion}: read it again first`,
        { version },
      );
    case 'HAS_ACTIVE_SUBSCRIBERS':
      return new AppError(outcome, 'Cannot delete group with active subscribers', { subscriberCount });
    case 'IDEMPOTENCY_KEY_REUSED':
      return keyReused();
    case 'SERVICE_UNAVAILABLE':
      return serviceUnavailable();
  }
}

/** Why a group cannot be deleted, with the details of the error. */
type DeletionBlocker = { readonly id: number; readonly code: ErrorCode; readonly message: string };

/** None of `groupCount` groups was deleted, because of some of them. */
export class BlockedDeletionError extends AppError {
  override name = 'BlockedDeletionError';
  readonly blockers: readonly [DeletionBlocker, ...DeletionBlocker[]];
  readonly groupCount: number;

  constructor(blockers: readonly [DeletionBlocker, ...DeletionBlocker[]], groupCount: number) {
    const { id, code, message, ...details } = blockers[0];
    super(
      code,
      `${blockers.length} of ${groupCount} groups cannot be deleted, so none was. Group ${id}: ${message}`,
      { ...details, blockers },
    );
    this.blockers = blockers;
    this.groupCount = groupCount;
  }
}

/** The error of a bulk delete: why its groups cannot be deleted, or that one of them stayed locked. */
export function blockedDeletionError(blocked: readonly BlockedDeletion[], groupCount: number): AppError {
  if (blocked.some(({ outcome }) => outcome === null)) return lockTimeout();
  const [first, ...others] = blocked.map(({ id, outcome, ...result }): DeletionBlocker => {
    const { code, message, details } = deletionError(outcome!, result, { id, expectedVersion: null });
    return { ...details, id, code, message };
  });
  return new BlockedDeletionError([first!, ...others], groupCount);
}
