// The API key stays in the page's memory. It is stored only where the person asks for it.

const storageName = 'group-api:key';

/** Takes the key out of the URL's fragment, which is never sent anywhere, and out of the browser's history. */
export function takeKeyFromUrl(): string | undefined {
  const key = new URLSearchParams(location.hash.slice(1)).get('key');
  if (key === null) return undefined;
  history.replaceState(null, '', location.pathname + location.search);
  return key;
}

export function readRememberedKey(): string | undefined {
  return localStorage.getItem(storageName) ?? undefined;
}

export function rememberKey(key: string): void {
  localStorage.setItem(storageName, key);
}

export function forgetKey(): void {
  localStorage.removeItem(storageName);
}
