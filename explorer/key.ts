// The API key is in the page's memory. It is stored only where the person asks for it, and where the browser lets us.

const storageName = 'group-api:key';

/**
 * Takes the key out of the URL's fragment, which is never sent anywhere, so that it is no longer seen there. The browser's list of
 * visited pages may keep it all the same: docs/explorer.md says so.
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

/** Tells whether the browser has stored it. */
export function rememberKey(key: string): boolean {
  try {
    localStorage.setItem(storageName, key);
    return true;
  } catch {
    return false;
  }
}

/** Forgets the remembered key, if it is this one. */
export function forgetKey(key: string): void {
  if (readRememberedKey() === key) localStorage.removeItem(storageName);
}
