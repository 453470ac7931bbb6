import { sendOperation } from './api.ts';
import type { DestructiveField } from './operation.ts';

/** A group that an operation would delete, and where its active subscribers would go. */
export type Deletion = { readonly id: unknown; readonly moveSubscribersTo: unknown };

/** What `groupDeletionImpact` says of a group. */
export type Impact = {
  readonly group: { readonly name: string };
  readonly activeSubscribers: number;
  readonly endedSubscribers: number;
  readonly blockers: readonly { readonly code: string; readonly message: string }[];
};

/** As many as one look takes in. */
export const maxImpacts = 10;

/** The same text at each time, so that a list of allowed operations can have it. */
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

/** Asks what a deletion would meet; answers a sentence where that cannot be known. */
export async function fetchImpact(key: string, { id }: Deletion): Promise<Impact | string> {
  try {
    const { data, errors } = await sendOperation(key, { query: impactQuery, variables: { id } });
    const impact = (data as { groupDeletionImpact?: Impact | null } | null | undefined)?.groupDeletionImpact;
    return impact ?? errors?.[0]?.message ?? 'nothing is known of it';
  } catch (error) {
    return (error as Error).message;
  }
}

/** Says what a group's deletion would come to. */
export function describeImpact(impact: Impact | string, { moveSubscribersTo }: Deletion): string {
  if (typeof impact === 'string') return impact;
  const isMoved = moveSubscribersTo !== undefined && moveSubscribersTo !== null;
  const left = impact.blockers.filter(({ code }) => !isMoved || code !== 'HAS_ACTIVE_SUBSCRIBERS');
  if (left.length > 0) return left.map(({ message }) => message).join('; ');
  return isMoved
    ? `its active subscribers are to move to group ${JSON.stringify(moveSubscribersTo)}`
    : 'can be deleted';
}
