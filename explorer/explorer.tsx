import { GraphiQL, HISTORY_PLUGIN } from 'graphiql';
import { useCallback, useEffect, useMemo, useRef, useState } from 'react';
import { AccountBar } from './account-bar.tsx';
import { Confirmation, type Question } from './confirmation.tsx';
import type { Deletion } from './deletion-impact.ts';
import { EditorAccessibility } from './editor-accessibility.tsx';
import { createClosableStorage, createEditorStorage } from './editor-storage.ts';
import { prepareTabs } from './example-ids.ts';
import { createFetcher, type Answer } from './fetcher.ts';
import { fixTabRoles } from './fix-tab-roles.ts';
import type { DestructiveField } from './operation.ts';
import { RestoreOffer } from './restore-offer.tsx';
import { useSession, type Session } from './session.ts';

/** The page: the account bar, GraphiQL below, and a confirmation dialog before destructive operations. */
export function Explorer() {
  const session = useSession();
  const { signedIn, signOut } = session;
  const main = useRef<HTMLElement>(null);
  useEffect(() => fixTabRoles(main.current!), []);

  return (
    <>
      <AccountBar session={session} />
      {/* Responses and schema belong to an account: another session starts with empty editors. */}
      <main ref={main}>
        <Editors key={signedIn?.key ?? ''} signedIn={signedIn} signOut={signOut} />
      </main>
    </>
  );
}

const plugins = [HISTORY_PLUGIN];
const sharedStorage = createEditorStorage();

function Editors({ signedIn, signOut }: Pick<Session, 'signedIn' | 'signOut'>) {
  const apiKey = signedIn?.key;
  const [storage] = useState(() => createClosableStorage(sharedStorage));
  useEffect(() => () => storage.close(), [storage]);
  const [end] = useState(() => new AbortController());
  useEffect(() => () => end.abort(), [end]);
  const [tabs] = useState(() => prepareTabs(storage, signedIn?.exampleIds));
  const [deletions, setDeletions] = useState<readonly Deletion[]>([]);
  const [question, setQuestion] = useState<Question>();
  const confirm = useConfirmation(setQuestion);
  // GraphiQL fetches the schema again whenever its fetcher changes.
  const onWrongKey = useRef(signOut);
  onWrongKey.current = signOut;
  const fetcher = useMemo(
    () =>
      createFetcher({
        readKey: () => apiKey,
        onWrongKey: (problem) => onWrongKey.current(problem),
        confirm,
        onDeleted: setDeletions,
        signal: end.signal,
      }),
    [apiKey, confirm, end],
  );

  return (
    <GraphiQL
      {...tabs}
      fetcher={fetcher}
      plugins={plugins}
      storage={storage}
      shouldPersistHeaders={false}
      schemaDescription
    >
      {/* The page has its own header. */}
      <GraphiQL.Logo>{null}</GraphiQL.Logo>
      {deletions.length > 0 && (
        <GraphiQL.Footer>
          <RestoreOffer deletions={deletions} />
        </GraphiQL.Footer>
      )}
      <EditorAccessibility />
      {question && <Confirmation question={question} />}
    </GraphiQL>
  );
}

/** Asks one question at a time: a new question, or the end of the session, cancels the previous one. */
function useConfirmation(setQuestion: (question: Question | undefined) => void) {
  const open = useRef<Question>(undefined);
  useEffect(() => () => open.current?.answer(undefined), []);
  return useCallback(
    (key: string, fields: readonly DestructiveField[]) =>
      new Promise<Answer>((resolve) => {
        open.current?.answer(undefined);
        const question: Question = {
          key,
          fields,
          answer: (answer) => {
            if (open.current === question) setQuestion((open.current = undefined));
            resolve(answer);
          },
        };
        setQuestion((open.current = question));
      }),
    [setQuestion],
  );
}
