import { integerParser, parseId, textParser } from '../validation/input-parsers.ts';
import { badInput } from '../errors.ts';
import type { Deletion } from './delete-group.ts';

/** The maximum number of groups that one call may delete. */
const maxIds = 1000;
const maxReasonLength = 500;

/** Parses the arguments of `deleteGroup`. @throws AppError BAD_USER_INPUT */
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
    expectedVersion: version === null ? null : integerParser({ min: 1 })(version, 'expectedVersion'),
  };
  if (deletion.moveSubscribersTo === id) {
    throw badInput('moveSubscribersTo', 'moveSubscribersTo must differ from the group to delete');
  }
  return deletion;
}

/** Parses the ids of `deleteGroups`. @throws AppError BAD_USER_INPUT */
export function parseDeletionIds(ids: unknown): number[] {
  const count = Array.isArray(ids) ? ids.length : 0;
  if (!Array.isArray(ids) || count === 0 || count > maxIds) {
    throw badInput('ids', `ids must contain 1 to ${maxIds} group ids, not ${count}`);
  }
  const parsed = ids.map((id, index) => parseId(id, `ids[${index}]`, 'Group'));
  const repeated = parsed.find((id, index) => parsed.indexOf(id) < index);
  if (repeated !== undefined)
    throw badInput('ids', `ids must not contain duplicates: ${repeated} is repeated`);
  return parsed;
}

/** Parses the reason of a delete; null if there is none. @throws AppError BAD_USER_INPUT */
export function parseReason(reason: unknown): string | null {
  return reason == null ? null : textParser({ max: maxReasonLength, multiline: true })(reason, 'reason');
}
