import { lookup as lookupBySystem } from 'node:dns/promises';
import type { ResolveName } from './nas-list.ts';

type Lookup = (name: string, options: { all: true }) => Promise<readonly { readonly address: string }[]>;

/** A name that is not resolved within this time has its last addresses, so that it does not delay other NAS. */
const resolveTimeoutMs = 2000;

/**
 * Creates the function that resolves names of NAS by the resolver of the system, which cannot be cancelled and blocks
 * a thread of the process: a name is looked up once at a time. The last addresses are those of the last success.
 */
export function createNameResolver({
  lookup = lookupBySystem,
  timeoutMs = resolveTimeoutMs,
}: { readonly lookup?: Lookup; readonly timeoutMs?: number } = {}): ResolveName {
  const pending = new Map<string, Promise<void>>();
  const lastAddresses = new Map<string, readonly string[]>();
  const update = async (name: string) => {
    try {
      const addresses = (await lookup(name, { all: true })).map(({ address }) => address);
      lastAddresses.set(
        name,
        addresses.filter((address) => !address.includes('%')),
      );
    } catch {
      // The last addresses remain.
    } finally {
      pending.delete(name);
    }
  };
  return async (name) => {
    const updating = pending.get(name) ?? update(name);
    pending.set(name, updating);
    let timer: NodeJS.Timeout | undefined;
    const timeout = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, timeoutMs);
    });
    await Promise.race([updating, timeout]);
    clearTimeout(timer);
    return lastAddresses.get(name) ?? [];
  };
}
