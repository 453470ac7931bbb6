import { sendOperation } from './api.ts';
import type { DestructiveField } from './destructive-fields.ts';

/** What `groupDeletionImpact` says of one group, or why it says nothing. */
export type Impact = {
  readonly id: number;
  readonly problem?: string;
  readonly group?: { readonly name: string };
  readonly activeSubscribers?: number;
  readonly endedSubscribers?: number;
  readonly blockers?: readonly { readonly code: string; readonly message: string }[];
};

/** As many as one look takes in, and one request may ask for. */
export const maxImpacts = 10;

/** A group that an operation would delete, and where its active subscribers would go. */
export type Deletion = { readonly id: unknown; readonly moveSubscribersTo: unknown };

/** Finds the groups that an operation would delete. */
export function readDeletions(fields: readonly DestructiveField[]): Deletion[] {
  return fields.flatMap(({ name, args }) => {
    if (name === 'deleteGroup') return [{ id: args['id'], moveSubscribersTo: args['moveSubscribersTo'] }];
    if (name !== 'deleteGroups') return [];
    // A single value stands for a list of one.
    return [args['ids']].flat().map((id) => ({ id, moveSubscribersTo: undefined }));
  });
}

/** Asks what deleting the first of these groups would meet. What is no id is left to the server to refuse. */
export async function fetchImpacts(key: string, deletions: readonly Deletion[]): Promise<Impact[]> {
  const ids = deletions.map(({ id }) => id).filter((id) => Number.isInteger(id)) as number[];
  const asked = [...new Set(ids)].slice(0, maxImpacts);
  if (asked.length === 0) return [];
  const fields = asked.map(
    (id, index) => `g${index}: groupDeletionImpact(id: ${id}) {
      group { name } activeSubscribers endedSubscribers blockers { code message } }`,
  );
  const { data, errors = [] } = await sendOperation(key, { query: `{ ${fields.join('\n')} }` });
  return asked.map((id, index) => {
    const impact = (data as Record<string, Omit<Impact, 'id'> | null> | null | undefined)?.[`g${index}`];
    return impact ? { id, ...impact } : { id, problem: findProblem(errors, `g${index}`) };
  });
}

/** Says what a group's deletion would come to. */
export function describeImpact({ problem, blockers = [] }: Impact, { moveSubscribersTo }: Deletion): string {
  if (problem !== undefined) return problem;
  const isMoved = moveSubscribersTo !== undefined && moveSubscribersTo !== null;
  const left = blockers.filter(({ code }) => !isMoved || code !== 'HAS_ACTIVE_SUBSCRIBERS');
  if (left.length > 0) return left.map(({ message }) => message).join('; ');
  return isMoved
    ? `can be deleted; the active ones move to group ${JSON.stringify(moveSubscribersTo)}`
    : 'can be deleted';
}

function findProblem(
  errors: readonly { message: string; path?: readonly unknown[] }[],
  alias: string,
): string {
  return (errors.find(({ path }) => path?.[0] === alias) ?? errors[0])?.message ?? 'nothing is known of it';
}
