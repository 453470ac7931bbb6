import { sendOperation } from './api.ts';
import type { DestructiveField } from './operation.ts';

/** A group that an operation would delete, and the group that its active subscribers would move to. */
export type Deletion = { readonly id: unknown; readonly moveSubscribersTo: unknown };

/** The result of `groupDeletionImpact`. */
export type Impact = {
  readonly group: { readonly name: string };
  readonly activeSubscribers: number;
  readonly endedSubscribers: number;
  readonly blockers: readonly { readonly code: string; readonly message: string }[];
};

/** How many groups the preview shows: as many as fit on the screen. */
export const maxImpacts = 10;

/** A constant text, so that it can be on a list of allowed operations. */
const impactQuery = `query DeletionImpact($id: Int!) {
  groupDeletionImpact(id: $id) { group { name } activeSubscribers endedSubscribers blockers { code message } }
}`;

/** Finds the groups that an operation would delete, each once. */
export function readDeletions(fields: readonly DestructiveField[]): Deletion[] {
  const deletions = fields.flatMap(({ name, args }) => {
    if (name === 'deleteGroup') return [{ id: args['id'], moveSubscribersTo: args['moveSubscribersTo'] }];
    if (name !== 'deleteGroups') return [];
    // A single value stands for a list of one.
    return [args['ids']].flat().map((id) => ({ id, moveSubscribersTo: undefined }));
  });
  return [...new Map(deletions.map((deletion) => [deletion.id, deletion])).values()];
}

/** Fetches the preview of a deletion, or returns a sentence if there is none. */
export async function fetchImpact(key: string, { id }: Deletion): Promise<Impact | string> {
  try {
    const { data, errors } = await sendOperation(key, { query: impactQuery, variables: { id } });
    const impact = (data as { groupDeletionImpact?: Impact | null } | null | undefined)?.groupDeletionImpact;
    return impact ?? errors?.[0]?.message ?? 'unknown';
  } catch (error) {
    return (error as Error).message;
  }
}

/** Describes the result that a deletion would have. */
export function describeImpact(impact: Impact | string, { moveSubscribersTo }: Deletion): string {
  if (typeof impact === 'string') return impact;
  const isMoved = moveSubscribersTo !== undefined && moveSubscribersTo !== null;
  const blockers = impact.blockers.filter(({ code }) => !isMoved || code !== 'HAS_ACTIVE_SUBSCRIBERS');
  if (blockers.length > 0) return blockers.map(({ message }) => message).join('; ');
  return isMoved
    ? `its active subscribers will move to group ${JSON.stringify(moveSubscribersTo)}`
    : 'can be deleted';
}
