import { useEffect, useRef, useState } from 'react';
import {
  describeImpact,
  fetchImpacts,
  maxImpacts,
  readDeletions,
  type Deletion,
  type Impact,
} from './deletion-impact.ts';
import type { DestructiveField } from './destructive-fields.ts';

/** A question that waits for the person's answer. */
export type Question = {
  readonly key: string;
  readonly fields: readonly DestructiveField[];
  readonly answer: (isConfirmed: boolean) => void;
};

/** Asks before an operation that takes something away is sent, and shows whom it would meet. */
export function Confirmation({ question }: { question: Question }) {
  const { key, fields, answer } = question;
  const dialog = useRef<HTMLDialogElement>(null);
  const deletions = readDeletions(fields);
  const [impacts, setImpacts] = useState<readonly Impact[]>();
  const [problem, setProblem] = useState<string>();

  useEffect(() => {
    dialog.current?.showModal();
    fetchImpacts(key, readDeletions(fields)).then(setImpacts, (error: Error) => setProblem(error.message));
  }, [key, fields]);

  return (
    <dialog
      ref={dialog}
      className="confirmation"
      aria-labelledby="confirmation-title"
      // Escape means no.
      onClose={() => answer(false)}
    >
      <h2 id="confirmation-title">Send {fields.map(({ name }) => name).join(', ')}?</h2>
      <ul>
        {fields.map((field, index) => (
          <li key={index}>
            <code>{describeField(field)}</code> {field.consequence}
          </li>
        ))}
      </ul>
      {problem !== undefined && (
        <p className="problem" role="alert">
          What it would meet is not known: {problem}
        </p>
      )}
      {deletions.length > 0 && problem === undefined && (
        <ImpactTable impacts={impacts} deletions={deletions} />
      )}
      {deletions.length > maxImpacts && <p>… and {deletions.length - maxImpacts} more groups.</p>}
      <div className="answers">
        <button type="button" autoFocus onClick={() => answer(false)}>
          Cancel
        </button>
        <button type="button" className="danger" onClick={() => answer(true)}>
          Send it
        </button>
      </div>
    </dialog>
  );
}

function ImpactTable({
  impacts,
  deletions,
}: {
  impacts: readonly Impact[] | undefined;
  deletions: readonly Deletion[];
}) {
  if (!impacts) return <p role="status">Looking at what it would meet …</p>;
  return (
    <div className="impacts" tabIndex={0} role="region" aria-label="What it would meet">
      <table>
        <thead>
          <tr>
            <th scope="col">Group</th>
            <th scope="col">Active subscribers</th>
            <th scope="col">Ended</th>
            <th scope="col">At this moment</th>
          </tr>
        </thead>
        <tbody>
          {impacts.map((impact) => (
            <tr key={impact.id}>
              <th scope="row">
                {impact.id} {impact.group?.name}
              </th>
              <td>{impact.activeSubscribers ?? '?'}</td>
              <td>{impact.endedSubscribers ?? '?'}</td>
              <td>
                {describeImpact(
                  impact,
                  deletions.find(({ id }) => id === impact.id)!,
                )}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

const maxArgumentsLength = 200;

function describeField({ name, args }: DestructiveField): string {
  const list = Object.entries(args).map(([argument, value]) => `${argument}: ${JSON.stringify(value)}`);
  const text = list.join(', ');
  return `${name}(${text.length > maxArgumentsLength ? `${text.slice(0, maxArgumentsLength)} …` : text})`;
}
