/** The storage of GraphiQL's tabs and history. */
export type EditorStorage = Pick<Storage, 'getItem' | 'setItem' | 'removeItem' | 'clear' | 'length'>;

/**
 * The browser's storage, without the headers that GraphiQL's history would store: they may contain credentials. If the
 * browser denies access to its storage, the values are in memory only.
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

/** A storage that ignores writes after `close`: GraphiQL writes late, even after its editors have been replaced. */
export function createClosableStorage(storage: EditorStorage): EditorStorage & { close(): void } {
  let isClosed = false;
  return {
    ...storage,
    setItem: (name, value) => {
      if (!isClosed) storage.setItem(name, value);
    },
    get length() {
      return storage.length;
    },
    close() {
      isClosed = true;
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

/** GraphiQL also stores values that are not JSON, and rejects stored tabs whose `headers` are not null but missing. */
function withoutHeaders(text: string): string {
  try {
    return JSON.stringify(
      JSON.parse(text, (name, value: unknown) => (name === 'headers' && value !== null ? undefined : value)),
    );
  } catch {
    return text;
  }
}
