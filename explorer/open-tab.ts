import { useGraphiQL, useGraphiQLActions } from '@graphiql/react';
import type { Tab } from './example-tabs.ts';

/** Returns a function that opens a new tab with an operation, which the user can read, change and run. */
export function useOpenTab(): (tab: Tab) => void {
  const actions = useGraphiQLActions();
  const { queryEditor, variableEditor } = useGraphiQL((state) => ({
    queryEditor: state.queryEditor,
    variableEditor: state.variableEditor,
  }));
  return ({ query, variables }) => {
    actions.addTab();
    queryEditor?.setValue(query);
    variableEditor?.setValue(variables);
  };
}
