import { fetchData } from './api.ts';
import type { DestructiveField } from './operation.ts';

/** A group that an operation would delete, and the group that its active subscribers would move to. */
export type Deletion = {
  readonly id: unknown;
  readonly moveSubscribersTo: unknown;
  /** Whether an earlier field of the operation may remove what blocks it. */
  readonly mayBeUnblocked: boolean;
};

/** The result of `groupDeletionImpact`. */
export type Impact = {
  readonly group: { readonly name: string };
  readonly activeSubscribers: number;
  readonly endedSubscribers: number;
  readonly blockers: readonly { readonly code: string; readonly message: string }[];
};

/** How many groups the preview shows: as many as fit on the screen. */
export const maxImpacts = 10;

const impactQuery = `query DeletionImpact($id: Int!) {
  groupDeletionImpact(id: $id) { group { name } activeSubscribers endedSubscribers blockers { code message } }
}`;

const targetsQuery = `query MoveTargets {
  searchGroups(first: 200) { nodes { id name } pageInfo { hasNextPage } }
}`;

/** Finds the groups that an operation would delete, each once. */
export function readDeletions(fields: readonly DestructiveField[]): Deletion[] {
  const deletions = fields.flatMap(({ name, args, mayBeUnblocked }) => {
    if (name === 'deleteGroup')
      return [{ id: args['id'], moveSubscribersTo: args['moveSubscribersTo'], mayBeUnblocked }];
    if (name !== 'deleteGroups') return [];
    // A single value stands for a list of one.
    return [args['ids']].flat().map((id) => ({ id, moveSubscribersTo: undefined, mayBeUnblocked }));
  });
  return [...new Map(deletions.map((deletion) => [deletion.id, deletion])).values()];
}

/** The groups that an operation has deleted: those whose results are in the data of its response. */
export function readDeleted(fields: readonly DestructiveField[], data: unknown): Deletion[] {
  const results = (data ?? {}) as Record<string, unknown>;
  return readDeletions(fields.filter(({ resultName }) => isPresent(results[resultName])));
}

/** Fetches the preview of a deletion, or returns a sentence if there is none. */
export async function fetchImpact(key: string, { id }: Deletion): Promise<Impact | string> {
  try {
    return (await fetchData<{ groupDeletionImpact: Impact }>(key, impactQuery, { id })).groupDeletionImpact;
  } catch (error) {
    return (error as Error).message;
  }
}

/** The groups that subscribers can be moved to: the first 200 ones. */
export type MoveTargets = {
  readonly groups: readonly { readonly id: number; readonly name: string }[];
  readonly isComplete: boolean;
};

/** Fetches the groups that the subscribers of a group can be moved to, or returns a sentence if that fails. */
export async function fetchMoveTargets(key: string, id: unknown): Promise<MoveTargets | string> {
  try {
    const { searchGroups } = await fetchData<{
      searchGroups: { nodes: MoveTargets['groups']; pageInfo: { hasNextPage: boolean } };
    }>(key, targetsQuery);
    return {
      groups: searchGroups.nodes.filter((group) => group.id !== id),
      isComplete: !searchGroups.pageInfo.hasNextPage,
    };
  } catch (error) {
    return (error as Error).message;
  }
}

/** Whether an argument has a value: null counts as omitted. */
export function isPresent(value: unknown): boolean {
  return value !== undefined && value !== null;
}

/** The reasons why a deletion would fail; none if its preview is unknown. */
export function readBlockers(impact: Impact | string, { moveSubscribersTo }: Deletion): Impact['blockers'] {
  if (typeof impact === 'string') return [];
  const isMoved = isPresent(moveSubscribersTo);
  return impact.blockers.filter(({ code }) => !isMoved || code !== 'HAS_ACTIVE_SUBSCRIBERS');
}

/** Describes the result that a deletion would have. */
export function describeImpact(impact: Impact | string, deletion: Deletion): string {
  if (typeof impact === 'string') return impact;
  const blockers = readBlockers(impact, deletion);
  if (blockers.length > 0) return blockers.map(({ message }) => message).join('; ');
  const { moveSubscribersTo } = deletion;
  return isPresent(moveSubscribersTo)
    ? `its active subscribers will move to group ${JSON.stringify(moveSubscribersTo)}`
    : 'can be deleted';
}
