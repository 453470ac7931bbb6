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

/** A question that waits for the user's answer. */
export type Question = {
  readonly key: string;
  readonly fields: readonly DestructiveField[];
  readonly answer: (isConfirmed: boolean) => void;
};

const maxFieldsShown = 10;

/** Asks for confirmation before a destructive operation is sent, and shows a preview of its effects. */
export function Confirmation({ question }: { question: Question }) {
  const { key, fields, answer } = question;
  const dialog = useRef<HTMLDialogElement>(null);
  const deletions = readDeletions(fields);
  const shown = deletions.slice(0, maxImpacts);
  const [impacts, setImpacts] = useState<readonly (Impact | string)[]>();

  useEffect(() => {
    dialog.current?.showModal();
    // The focused button is at the end of the dialog.
    dialog.current?.scrollTo(0, 0);
    const previewed = readDeletions(fields).slice(0, maxImpacts);
    void Promise.all(previewed.map((deletion) => fetchImpact(key, deletion))).then(setImpacts);
  }, [key, fields]);

  return (
    <dialog
      ref={dialog}
      className="confirmation"
      aria-labelledby="confirmation-title"
      // Escape cancels.
      onClose={() => answer(false)}
    >
      <h2 id="confirmation-title">Run {nameFields(fields)}?</h2>
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
      <div className="buttons">
        <button type="button" autoFocus onClick={() => answer(false)}>
          Cancel
        </button>
        <button type="button" className="danger" disabled={!impacts} onClick={() => answer(true)}>
          {nameAction(fields)}
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

/** The verb that the names of the fields begin with, if it is the same: "Delete" for deleteGroup and deleteGroups. */
function nameAction(fields: readonly DestructiveField[]): string {
  const [verb = '', ...others] = new Set(fields.map(({ name }) => /^[a-z]+/.exec(name)?.[0] ?? ''));
  return others.length > 0 ? 'Run' : verb.charAt(0).toUpperCase() + verb.slice(1);
}

const maxArgumentsLength = 200;

function describeField({ name, args }: DestructiveField): string {
  const list = Object.entries(args).map(([argument, value]) => `${argument}: ${JSON.stringify(value)}`);
  const text = list.join(', ');
  return `${name}(${text.length > maxArgumentsLength ? `${text.slice(0, maxArgumentsLength)} …` : text})`;
}
