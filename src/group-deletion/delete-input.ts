import { integer, parseId, text } from '../validation/input-parsers.ts';
import { badInput } from '../errors.ts';
import type { Deletion } from './delete-group.ts';

/** How many groups one call may delete. */
const maxIds = 1000;
const maxReasonLength = 500;

/** Reads what `deleteGroup` was given. @throws AppError BAD_USER_INPUT */
export function parseDeletion(args: {
  id: unknown;
  reason?: unknown;
  moveSubscribersTo?: unknown;
  expectedVersion?: unknown;
}): Deletion {
  const id = parseId(args.id, 'id', 'Group');
  const target = args.moveSubscribersTo ?? null;
  const version = args.expectedVersion ?? null;
  const deletion = {
    id,
    reason: parseReason(args.reason),
    moveSubscribersTo: target === null ? null : parseId(target, 'moveSubscribersTo', 'Group'),
    expectedVersion: version === null ? null : integer({ min: 1 })(version, 'expectedVersion'),
  };
  if (deletion.moveSubscribersTo === id) {
    throw badInput('moveSubscribersTo', 'moveSubscribersTo must differ from the group to delete');
  }
  return deletion;
}

/** Reads the ids that `deleteGroups` was given. @throws AppError BAD_USER_INPUT */
export function parseDeletionIds(ids: unknown): number[] {
  if (!Array.isArray(ids) || ids.length === 0 || ids.length > maxIds) {
    throw badInput('ids', `ids must contain 1 to ${maxIds} group ids`);
  }
  const parsed = ids.map((id) => parseId(id, 'ids', 'Group'));
  if (new Set(parsed).size < parsed.length) throw badInput('ids', 'ids must not contain duplicates');
  return parsed;
}

/** Reads why something is deleted; null where nothing is said. @throws AppError BAD_USER_INPUT */
export function parseReason(reason: unknown): string | null {
  return reason == null ? null : text({ max: maxReasonLength, multiline: true })(reason, 'reason');
}
