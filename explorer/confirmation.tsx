import { useEffect, useRef, useState } from 'react';
import { nameAction, nameDelete } from './action-name.ts';
import { BlockedDeletions, findBlocked, findMovable, TargetChoice } from './blocked-deletions.tsx';
import {
  describeImpact,
  fetchImpact,
  maxImpacts,
  readDeletions,
  type Deletion,
  type Impact,
} from './deletion-impact.ts';
import type { Tab } from './example-tabs.ts';
import type { Answer } from './fetcher.ts';
import { useOpenTab } from './open-tab.ts';
import type { DestructiveField } from './operation.ts';

/** A question that waits for the user's answer. */
export type Question = {
  readonly key: string;
  readonly fields: readonly DestructiveField[];
  readonly answer: (answer: Answer) => void;
};

const maxFieldsShown = 10;

/** Asks for confirmation before a destructive operation is sent, and shows a preview of its effects. */
export function Confirmation({ question }: { question: Question }) {
  const { key, fields, answer } = question;
  const dialog = useRef<HTMLDialogElement>(null);
  const deletions = readDeletions(fields);
  const shown = deletions.slice(0, maxImpacts);
  const [impacts, setImpacts] = useState<readonly (Impact | string)[]>();
  const [target, setTarget] = useState<number>();
  const openTab = useOpenTab();
  const blocked = findBlocked(shown, impacts ?? []);
  const movable = findMovable(fields, blocked);
  const isBlocked = blocked.some(({ deletion }) => !deletion.mayBeUnblocked);

  useEffect(() => {
    dialog.current?.showModal();
    // The focused button is at the end of the dialog.
    dialog.current?.scrollTo(0, 0);
    const previewed = readDeletions(fields).slice(0, maxImpacts);
    void Promise.all(previewed.map((deletion) => fetchImpact(key, deletion))).then(setImpacts);
  }, [key, fields]);

  const openTabInstead = (tab: Tab) => {
    answer(undefined);
    // The response to the cancelled operation belongs to the current tab.
    setTimeout(() => openTab(tab));
  };

  return (
    <dialog
      ref={dialog}
      className="confirmation"
      aria-labelledby="confirmation-title"
      // Escape cancels.
      onClose={() => answer(undefined)}
    >
      <h2 id="confirmation-title">
        {isBlocked ? `${nameFields(fields)} is blocked` : `Run ${nameFields(fields)}?`}
      </h2>
      <ul>
        {fields.slice(0, maxFieldsShown).map((field, index) => (
          <li key={index}>
            <code>{describeField(field)}</code> {field.consequence}
          </li>
        ))}
      </ul>
      <More count={fields.length - maxFieldsShown} what="fields" />
      {shown.length > 0 && <ImpactTable deletions={shown} impacts={impacts} />}
      <More count={deletions.length - maxImpacts} what="groups, which are not shown here" />
      {blocked.length > 0 && !isBlocked && (
        <p>This is the state before the operation: its first fields may remove what blocks the delete.</p>
      )}
      {movable ? (
        <TargetChoice apiKey={key} movable={movable} target={target} onChoose={setTarget} />
      ) : (
        <BlockedDeletions blocked={blocked} onOpenTab={openTabInstead} />
      )}
      <div className="buttons">
        <button type="button" autoFocus onClick={() => answer(undefined)}>
          Cancel
        </button>
        {movable && (
          <button
            type="button"
            className="danger"
            disabled={target === undefined}
            onClick={() => answer({ moveSubscribersTo: target! })}
          >
            {nameDelete({ ...movable.deletion, moveSubscribersTo: target ?? '…' }, movable.impact)}
          </button>
        )}
        {!isBlocked && (
          <button type="button" className="danger" disabled={!impacts} onClick={() => answer({})}>
            {nameAction(fields, impacts?.[0])}
          </button>
        )}
      </div>
    </dialog>
  );
}

function More({ count, what }: { count: number; what: string }) {
  return count > 0 && <p>{`… and ${count} more ${what}.`}</p>;
}

function ImpactTable({
  deletions,
  impacts,
}: {
  deletions: readonly Deletion[];
  impacts: readonly (Impact | string)[] | undefined;
}) {
  if (!impacts) return <p role="status">Loading preview …</p>;
  return (
    <table>
      <thead>
        <tr>
          <th scope="col">Group</th>
          <th scope="col">Status</th>
          <th scope="col">Active subscribers</th>
          <th scope="col">Ended</th>
        </tr>
      </thead>
      <tbody>
        {deletions.map((deletion, index) => (
          <ImpactRow key={index} deletion={deletion} impact={impacts[index]!} />
        ))}
      </tbody>
    </table>
  );
}

function ImpactRow({ deletion, impact }: { deletion: Deletion; impact: Impact | string }) {
  const preview = typeof impact === 'string' ? undefined : impact;
  return (
    <tr>
      <th scope="row">
        {JSON.stringify(deletion.id)} {preview?.group.name}
      </th>
      <td>{describeImpact(impact, deletion)}</td>
      <td>{preview?.activeSubscribers ?? '?'}</td>
      <td>{preview?.endedSubscribers ?? '?'}</td>
    </tr>
  );
}

/** Each name once, with its number of uses. */
function nameFields(fields: readonly DestructiveField[]): string {
  return [...new Set(fields.map(({ name }) => name))]
    .map((name) => {
      const count = fields.filter((field) => field.name === name).length;
      return count === 1 ? name : `${name} × ${count}`;
    })
    .join(', ');
}

const maxArgumentsLength = 200;

function describeField({ name, args }: DestructiveField): string {
  // A variable without a value is not sent.
  const list = Object.entries(args).flatMap(([argument, value]) =>
    value === undefined ? [] : [`${argument}: ${JSON.stringify(value)}`],
  );
  const text = list.join(', ');
  return `${name}(${text.length > maxArgumentsLength ? `${text.slice(0, maxArgumentsLength)} …` : text})`;
}
