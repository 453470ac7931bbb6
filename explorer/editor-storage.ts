/** What GraphiQL keeps its tabs and its history in. */
type EditorStorage = Pick<Storage, 'getItem' | 'setItem' | 'removeItem' | 'clear' | 'length'>;

/**
 * The browser's storage without the headers that GraphiQL's history would keep there, since some hold credentials. Where the browser
 * has none for us, the page's memory takes its place.
 */
export function createEditorStorage(): EditorStorage {
  const storage = findStorage() ?? createMemory();
  return {
    getItem: (name) => storage.getItem(name),
    setItem: (name, value) => storage.setItem(name, withoutHeaders(value)),
    removeItem: (name) => storage.removeItem(name),
    clear: () => storage.clear(),
    get length() {
      return storage.length;
    },
  };
}

function findStorage(): Storage | undefined {
  try {
    localStorage.getItem('');
    return localStorage;
  } catch {
    return undefined;
  }
}

function createMemory(): EditorStorage {
  const values = new Map<string, string>();
  return {
    getItem: (name) => values.get(name) ?? null,
    setItem: (name, value) => void values.set(name, value),
    removeItem: (name) => void values.delete(name),
    clear: () => values.clear(),
    get length() {
      return values.size;
    },
  };
}

/** Not all that GraphiQL stores is JSON. */
function withoutHeaders(value: string): string {
  try {
    return JSON.stringify(
      JSON.parse(value, (name, each: unknown) => (name === 'headers' ? undefined : each)),
    );
  } catch {
    return value;
  }
}
