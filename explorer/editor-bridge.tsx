import { useGraphiQL, useGraphiQLActions } from '@graphiql/react';
import { useEffect } from 'react';

const editorNames = {
  queryEditor: 'Operation',
  variableEditor: 'Variables',
  headerEditor: 'Headers',
  responseEditor: 'Response',
} as const;

/** Tells GraphiQL's editors what it does not tell them itself: their names, and the system's theme when that changes. */
export function EditorBridge() {
  const actions = useGraphiQLActions();
  const theme = useGraphiQL((state) => state.theme);
  const editors = useGraphiQL(({ queryEditor, variableEditor, headerEditor, responseEditor }) => ({
    queryEditor,
    variableEditor,
    headerEditor,
    responseEditor,
  }));

  useEffect(() => {
    if (theme !== null) return undefined;
    const darkness = matchMedia('(prefers-color-scheme: dark)');
    const follow = () => actions.setTheme(null);
    darkness.addEventListener('change', follow);
    return () => darkness.removeEventListener('change', follow);
  }, [theme, actions]);

  useEffect(() => {
    for (const [name, label] of Object.entries(editorNames)) {
      editors[name as keyof typeof editorNames]?.updateOptions({ ariaLabel: label });
    }
  }, [editors]);

  return null;
}
