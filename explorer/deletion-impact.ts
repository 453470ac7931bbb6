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

/** The ids of the groups that an operation would delete. */
export function readDeletedIds(fields: readonly DestructiveField[]): number[] {
  return fields.flatMap(({ name, args }) => {
    if (name === 'deleteGroup') return [args['id']];
    if (name === 'deleteGroups') return Array.isArray(args['ids']) ? args['ids'] : [args['ids']];
    return [];
  }) as number[];
}

/** Asks what deleting the first of these groups would meet. What is no id is left to the server to refuse. */
export async function fetchImpacts(key: string, ids: readonly number[]): Promise<Impact[]> {
  const asked = [...new Set(ids)].filter(Number.isInteger).slice(0, maxImpacts);
  if (asked.length === 0) return [];
  const fields = asked.map(
    (id) => `g${asked.indexOf(id)}: groupDeletionImpact(id: ${id}) {
      group { name } activeSubscribers endedSubscribers blockers { code message } }`,
  );
  const { data, errors = [] } = await sendOperation(key, { query: `{ ${fields.join('\n')} }` });
  return asked.map((id, index) => {
    const impact = (data as Record<string, Omit<Impact, 'id'> | null> | null | undefined)?.[`g${index}`];
    return impact ? { id, ...impact } : { id, problem: findProblem(errors, `g${index}`) };
  });
}

function findProblem(
  errors: readonly { message: string; path?: readonly unknown[] }[],
  alias: string,
): string {
  return (errors.find(({ path }) => path?.[0] === alias) ?? errors[0])?.message ?? 'nothing is known of it';
}
