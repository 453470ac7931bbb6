import { GraphiQL, HISTORY_PLUGIN } from 'graphiql';
import { useEffect, useMemo, useRef, useState } from 'react';
import { AccountBar } from './account-bar.tsx';
import { Confirmation, type Question } from './confirmation.tsx';
import { EditorBridge } from './editor-bridge.tsx';
import { exampleTabs } from './example-tabs.ts';
import { createFetcher } from './fetcher.ts';
import { useSession } from './session.ts';
import { mendTabRoles } from './tab-roles.ts';

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

  const main = useRef<HTMLElement>(null);
  useEffect(() => mendTabRoles(main.current!), []);

  return (
    <>
      <AccountBar session={session} />
      <main ref={main}>
        <GraphiQL
          fetcher={fetcher}
          plugins={plugins}
          defaultTabs={[...exampleTabs]}
          initialVariables={exampleTabs[0]!.variables}
          shouldPersistHeaders={false}
          schemaDescription
        >
          {/* The page has its own head. */}
          <GraphiQL.Logo>{null}</GraphiQL.Logo>
          <EditorBridge account={session.signedIn?.account.account} />
        </GraphiQL>
      </main>
      {question && <Confirmation question={question} />}
    </>
  );
}
