// The API key is in the page's memory. It is stored only if the user asks for it and the browser allows it.

const storageName = 'group-api:key';

/**
 * Reads the key from the URL's fragment, which browsers never send, and removes it from the address bar. The browser's
 * history may still contain it: see docs/explorer.md.
 */
export function takeKeyFromUrl(): string | undefined {
  const key = new URLSearchParams(location.hash.slice(1)).get('key');
  if (key === null) return undefined;
  history.replaceState(null, '', location.pathname + location.search);
  return key;
}

export function readRememberedKey(): string | undefined {
  try {
    return localStorage.getItem(storageName) ?? undefined;
  } catch {
    return undefined;
  }
}

/** Returns whether the browser has stored the key. */
export function rememberKey(key: string): boolean {
  try {
    localStorage.setItem(storageName, key);
    return true;
  } catch {
    return false;
  }
}

/** Deletes the stored key, if it is this one. */
export function forgetKey(key: string): void {
  if (readRememberedKey() === key) localStorage.removeItem(storageName);
}
