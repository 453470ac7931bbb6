import { isPresent, readDeletions, type Deletion, type Impact } from './deletion-impact.ts';
import type { DestructiveField } from './operation.ts';

const maxIdsShown = 3;
const lists = new Intl.ListFormat('en-GB');

/** Says what a destructive operation does, such as "Delete group 7". */
export function nameAction(fields: readonly DestructiveField[], impact: Impact | string | undefined): string {
  const [field, ...others] = fields;
  const deletions = readDeletions(fields);
  if (field?.name === 'deleteGroup' && others.length === 0) return nameDelete(deletions[0]!, impact);
  if (fields.every(({ name }) => name === 'deleteGroup' || name === 'deleteGroups')) {
    const ids = deletions.map(({ id }) => show(id));
    const groups = ids.length === 1 ? 'group' : 'groups';
    return ids.length <= maxIdsShown
      ? `Delete ${groups} ${lists.format(ids)}`
      : `Delete ${ids.length} ${groups}`;
  }
  if (!field || others.length > 0) return `Run all ${fields.length} fields`;
  const { id, username, groupId } = field.args;
  if (field.name === 'retireGroup') return `Retire group ${show(id)}`;
  if (field.name === 'purgeDeletedGroup') return `Delete group ${show(id)} permanently`;
  if (field.name === 'deleteServiceGroup') return `Delete service group ${show(id)}`;
  return `End the subscription of ${show(username)}${isPresent(groupId) ? ` to group ${show(groupId)}` : ''}`;
}

/** Says what a `deleteGroup` does, and how many subscribers it moves. */
export function nameDelete({ id, moveSubscribersTo }: Deletion, impact: Impact | string | undefined): string {
  const count = typeof impact === 'object' ? impact.activeSubscribers : 0;
  if (!isPresent(moveSubscribersTo) || count === 0) return `Delete group ${show(id)}`;
  const subscribers = count === 1 ? '1 subscriber' : `${count} subscribers`;
  return `Move ${subscribers} to group ${show(moveSubscribersTo)} and delete group ${show(id)}`;
}

function show(value: unknown): string {
  return typeof value === 'string' ? value : (JSON.stringify(value) ?? '?');
}
