import { badInput } from '../errors.ts';
import { parseId } from '../validation/input-parsers.ts';

/** The maximum number of groups of one call. */
const maxIds = 1000;

/** Parses the ids of a call for several groups. @throws AppError BAD_USER_INPUT */
export function parseGroupIds(ids: unknown): number[] {
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
