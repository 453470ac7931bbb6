import { useEffect, useRef, useState } from 'react';
import {
  describeImpact,
  fetchImpact,
  maxImpacts,
  readDeletions,
  type Deletion,
  type Impact,
} from './deletion-impact.ts';
import type { DestructiveField } from './operation.ts';

/** A question that waits for the person's answer. */
export type Question = {
  readonly key: string;
  readonly fields: readonly DestructiveField[];
  readonly answer: (isConfirmed: boolean) => void;
};

const maxFieldsShown = 10;

/** Asks before an operation that takes something away is sent, and shows first whom it would meet. */
export function Confirmation({ question }: { question: Question }) {
  const { key, fields, answer } = question;
  const dialog = useRef<HTMLDialogElement>(null);
  const deletions = readDeletions(fields);
  const shown = deletions.slice(0, maxImpacts);
  const [impacts, setImpacts] = useState<readonly (Impact | string)[]>();

  useEffect(() => {
    dialog.current?.showModal();
    // The button that has the focus is at its end.
    dialog.current?.scrollTo(0, 0);
    const asked = readDeletions(fields).slice(0, maxImpacts);
    void Promise.all(asked.map((deletion) => fetchImpact(key, deletion))).then(setImpacts);
  }, [key, fields]);

  return (
    <dialog
      ref={dialog}
      className="confirmation"
      aria-labelledby="confirmation-title"
      // Escape means no.
      onClose={() => answer(false)}
    >
      <h2 id="confirmation-title">Send {nameFields(fields)}?</h2>
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
      <div className="answers">
        <button type="button" autoFocus onClick={() => answer(false)}>
          Cancel
        </button>
        <button type="button" className="danger" disabled={!impacts} onClick={() => answer(true)}>
          Send it
        </button>
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
  if (!impacts) return <p role="status">Looking at what it would meet …</p>;
  return (
    <table>
      <thead>
        <tr>
          <th scope="col">Group</th>
          <th scope="col">At this moment</th>
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
  const known = typeof impact === 'string' ? undefined : impact;
  return (
    <tr>
      <th scope="row">
        {JSON.stringify(deletion.id)} {known?.group.name}
      </th>
      <td>{describeImpact(impact, deletion)}</td>
      <td>{known?.activeSubscribers ?? '?'}</td>
      <td>{known?.endedSubscribers ?? '?'}</td>
    </tr>
  );
}

/** Each name once, with how often it comes. */
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
  const list = Object.entries(args).map(([argument, value]) => `${argument}: ${JSON.stringify(value)}`);
  const text = list.join(', ');
  return `${name}(${text.length > maxArgumentsLength ? `${text.slice(0, maxArgumentsLength)} …` : text})`;
}
