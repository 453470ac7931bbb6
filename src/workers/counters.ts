import { LRUCache } from 'lru-cache';
import { maxTracked, type Counted } from '../http/hooks/rate-limits.ts';

type Window = { count: number; readonly endsAt: number };

/**
 * Counts in windows that begin with their first event. Keys are `<limit> <address or account>`; the least recently used
 * of more than 10,000 keys of a limit are forgotten, without an effect on other limits.
 */
export function createCounters(): {
  /** Adds one if `increment`; returns the count and the milliseconds until the window ends. */
  count(event: { key: string; windowMs: number; increment: boolean }): Counted;
} {
  const limits = new Map<string, LRUCache<string, Window>>();
  const windowsOf = (key: string) => {
    const limit = key.split(' ', 1)[0]!;
    const existing = limits.get(limit);
    if (existing) return existing;
    const created = new LRUCache<string, Window>({ max: maxTracked });
    limits.set(limit, created);
    return created;
  };

  return {
    count({ key, windowMs, increment }) {
      const now = Date.now();
      const windows = windowsOf(key);
      const stored = windows.get(key);
      const isOpen = stored !== undefined && stored.endsAt > now;
      if (!increment)
        return isOpen ? { current: stored.count, ttl: stored.endsAt - now } : { current: 0, ttl: 0 };
      const window = isOpen ? stored : { count: 0, endsAt: now + windowMs };
      window.count++;
      windows.set(key, window);
      return { current: window.count, ttl: window.endsAt - now };
    },
  };
}
