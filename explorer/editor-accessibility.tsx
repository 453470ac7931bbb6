import { useGraphiQL, useGraphiQLActions } from '@graphiql/react';
import { useEffect } from 'react';

const editorNames = {
  queryEditor: 'Operation',
  variableEditor: 'Variables',
  headerEditor: 'Headers',
  responseEditor: 'Response',
} as const;

/**
 * Gives GraphiQL's editors accessible names, and the system's color scheme whenever it changes: GraphiQL does neither.
 */
export function EditorAccessibility() {
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
    const darkScheme = matchMedia('(prefers-color-scheme: dark)');
    const follow = () => actions.setTheme(null);
    darkScheme.addEventListener('change', follow);
    return () => darkScheme.removeEventListener('change', follow);
  }, [theme, actions]);

  useEffect(() => {
    for (const [name, label] of Object.entries(editorNames)) {
      editors[name as keyof typeof editorNames]?.updateOptions({ ariaLabel: label });
    }
  }, [editors]);

  return null;
}
