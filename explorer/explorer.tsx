import { GraphiQL, HISTORY_PLUGIN } from 'graphiql';
import { useMemo, useRef, useState } from 'react';
import { AccountBar } from './account-bar.tsx';
import { Confirmation, type Question } from './confirmation.tsx';
import { EditorBridge } from './editor-bridge.tsx';
import { exampleTabs } from './example-tabs.ts';
import { createFetcher } from './fetcher.ts';
import { useSession } from './session.ts';

const plugins = [HISTORY_PLUGIN];

/** The page: who is signed in, GraphiQL below, and a question before anything is taken away. */
export function Explorer() {
  const session = useSession();
  const [question, setQuestion] = useState<Question>();
  // GraphiQL asks for the schema again whenever it gets another fetcher.
  const current = useRef(session);
  current.current = session;
  const fetcher = useMemo(
    () =>
      createFetcher({
        readKey: () => current.current.signedIn?.key,
        onWrongKey: (problem) => current.current.signOut(problem),
        confirm: (key, fields) =>
          new Promise((resolve) =>
            setQuestion({
              key,
              fields,
              answer: (isConfirmed) => {
                setQuestion(undefined);
                resolve(isConfirmed);
              },
            }),
          ),
      }),
    [],
  );

  return (
    <>
      <AccountBar session={session} />
      <main>
        <GraphiQL
          fetcher={fetcher}
          plugins={plugins}
          defaultTabs={[...exampleTabs]}
          initialVariables={exampleTabs[0]!.variables}
          shouldPersistHeaders={false}
          schemaDescription
        >
          <GraphiQL.Logo>
            <a href="sandbox">Apollo Sandbox</a>
          </GraphiQL.Logo>
          <EditorBridge account={session.signedIn?.account.account} />
        </GraphiQL>
      </main>
      {question && <Confirmation question={question} />}
    </>
  );
}
