import { GraphiQL, HISTORY_PLUGIN } from 'graphiql';
import { useCallback, useEffect, useMemo, useRef, useState } from 'react';
import { AccountBar } from './account-bar.tsx';
import { Confirmation, type Question } from './confirmation.tsx';
import { EditorAccessibility } from './editor-accessibility.tsx';
import { createEditorStorage } from './editor-storage.ts';
import { exampleTabs } from './example-tabs.ts';
import { createFetcher } from './fetcher.ts';
import { fixTabRoles } from './fix-tab-roles.ts';
import type { DestructiveField } from './operation.ts';
import { useSession, type Session } from './session.ts';

/** The page: the account bar, GraphiQL below, and a confirmation dialog before destructive operations. */
export function Explorer() {
  const session = useSession();
  const { key } = session.signedIn ?? {};
  const main = useRef<HTMLElement>(null);
  useEffect(() => fixTabRoles(main.current!), []);

  return (
    <>
      <AccountBar session={session} />
      {/* Responses and schema belong to an account: another session starts with empty editors. */}
      <main ref={main}>
        <Editors key={key ?? ''} apiKey={key} signOut={session.signOut} />
      </main>
    </>
  );
}

const plugins = [HISTORY_PLUGIN];
const storage = createEditorStorage();

function Editors({ apiKey, signOut }: { apiKey: string | undefined; signOut: Session['signOut'] }) {
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
      }),
    [apiKey, confirm],
  );

  return (
    <>
      <GraphiQL
        fetcher={fetcher}
        plugins={plugins}
        storage={storage}
        defaultTabs={[...exampleTabs]}
        initialVariables={exampleTabs[0]!.variables}
        shouldPersistHeaders={false}
        schemaDescription
      >
        {/* The page has its own header. */}
        <GraphiQL.Logo>{null}</GraphiQL.Logo>
        <EditorAccessibility />
      </GraphiQL>
      {question && <Confirmation question={question} />}
    </>
  );
}

/** Asks one question at a time: a new question, or the end of the session, cancels the previous one. */
function useConfirmation(setQuestion: (question: Question | undefined) => void) {
  const open = useRef<Question>(undefined);
  useEffect(() => () => open.current?.answer(false), []);
  return useCallback(
    (key: string, fields: readonly DestructiveField[]) =>
      new Promise<boolean>((resolve) => {
        open.current?.answer(false);
        const question: Question = {
          key,
          fields,
          answer: (isConfirmed) => {
            if (open.current === question) setQuestion((open.current = undefined));
            resolve(isConfirmed);
          },
        };
        setQuestion((open.current = question));
      }),
    [setQuestion],
  );
}
