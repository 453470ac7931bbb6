import { useEffect, useState } from 'react';
import {
  fetchMoveTargets,
  readBlockers,
  type Deletion,
  type Impact,
  type MoveTargets,
} from './deletion-impact.ts';
import { createTab, type Tab } from './example-tabs.ts';
import type { DestructiveField } from './operation.ts';

/** A deletion that would fail, unless an earlier field unblocks it: the blockers are in its preview. */
type BlockedDeletion = { readonly deletion: Deletion; readonly impact: Impact };

/** Finds the deletions that fail if they are not unblocked before. */
export function findBlocked(
  deletions: readonly Deletion[],
  impacts: readonly (Impact | string)[],
): BlockedDeletion[] {
  return deletions.flatMap((deletion, index) => {
    const impact = impacts[index];
    if (impact === undefined || typeof impact === 'string') return [];
    return readBlockers(impact, deletion).length > 0 ? [{ deletion, impact }] : [];
  });
}

/** The deletion that would succeed with `moveSubscribersTo`: only a single `deleteGroup` accepts it. */
export function findMovable(
  fields: readonly DestructiveField[],
  blocked: readonly BlockedDeletion[],
): BlockedDeletion | undefined {
  const isSingle = fields.length === 1 && fields[0]?.name === 'deleteGroup';
  return isSingle ? blocked.find(({ impact }) => !isProtected(impact)) : undefined;
}

/** What helps, for each blocked deletion: remove the protection first, then move the subscribers. */
export function BlockedDeletions({
  blocked,
  onOpenTab,
}: {
  blocked: readonly BlockedDeletion[];
  onOpenTab: (tab: Tab) => void;
}) {
  return blocked.map(({ deletion: { id }, impact }, index) => (
    <p key={index}>
      {isProtected(impact) ? (
        <button type="button" onClick={() => onOpenTab(createUnprotectTab(id))}>
          Open a tab that removes the protection of group {String(id)}
        </button>
      ) : (
        <button type="button" onClick={() => onOpenTab(createMoveTab(id))}>
          Open a tab that moves the subscribers of group {String(id)}
        </button>
      )}
    </p>
  ));
}

type TargetChoiceProps = {
  readonly apiKey: string;
  readonly movable: BlockedDeletion;
  readonly target: number | undefined;
  readonly onChoose: (target: number | undefined) => void;
};

/** Lets the user choose the group that the subscribers move to. */
export function TargetChoice({ apiKey, movable: { deletion }, target, onChoose }: TargetChoiceProps) {
  const [targets, setTargets] = useState<MoveTargets | string>();
  useEffect(() => void fetchMoveTargets(apiKey, deletion.id).then(setTargets), [apiKey, deletion.id]);

  if (targets === undefined) return <p role="status">Loading groups …</p>;
  if (typeof targets === 'string') return <p>{targets}</p>;
  if (targets.groups.length === 0) return <p>There is no other group to move the subscribers to.</p>;
  return (
    <p>
      <label>
        Move the active subscribers to{' '}
        <select
          value={target ?? ''}
          onChange={({ target: { value } }) => onChoose(value === '' ? undefined : Number(value))}
        >
          <option value="">choose a group</option>
          {targets.groups.map(({ id, name }) => (
            <option key={id} value={id}>
              {id} {name}
            </option>
          ))}
        </select>
      </label>
      {!targets.isComplete && ' These are the first 200 groups: for another one, write moveSubscribersTo.'}
    </p>
  );
}

function isProtected({ blockers }: Impact): boolean {
  return blockers.some(({ code }) => code === 'GROUP_PROTECTED');
}

function createUnprotectTab(id: unknown): Tab {
  return createTab(
    `# Removes the protection. Then the group can be deleted.
mutation RemoveProtection($id: Int!) {
  editGroup(id: $id, group: { protected: false }) {
    id
    name
    protected
  }
}`,
    { id },
  );
}

function createMoveTab(fromGroupId: unknown): Tab {
  return createTab(
    `# Moves all active subscribers to another group:
# write its id as toGroupId. Then delete again.
mutation MoveSubscribers($fromGroupId: Int!, $toGroupId: Int!) {
  moveSubscribers(fromGroupId: $fromGroupId, toGroupId: $toGroupId) {
    movedCount
    to { id name }
  }
}`,
    { fromGroupId, toGroupId: null },
  );
}
