import { lookup } from 'node:dns/promises';
import {
  literalAddressOf,
  requireAllowedAddresses,
  requireAllowedUrl,
  type TargetAddress,
  type TargetPolicy,
} from './target-url.ts';

/** Resolves a name to all of its addresses; rejects if there is none. */
export type Resolve = (hostname: string) => Promise<readonly TargetAddress[]>;

/** Resolves names as the machine does, with its hosts file. */
export const resolveBySystem: Resolve = (hostname) => lookup(hostname, { all: true, order: 'verbatim' });

/**
 * Resolves the host of a URL, checks all of its addresses, and returns them to connect to: no second resolution may
 * follow, since its result could be another one (DNS rebinding).
 * @throws TargetRejection if the URL or one of the addresses is not allowed; the resolver's error
 */
export async function resolveTarget(
  url: URL,
  policy: TargetPolicy,
  resolve: Resolve,
): Promise<readonly TargetAddress[]> {
  requireAllowedUrl(url, policy);
  const literal = literalAddressOf(url);
  if (literal !== undefined) return [{ address: literal, family: literal.includes(':') ? 6 : 4 }];
  const addresses = await resolve(url.hostname);
  requireAllowedAddresses(
    url.hostname,
    addresses.map(({ address }) => address),
    policy,
  );
  return addresses;
}

/** Shares one resolution of a name among concurrent attempts: each occupies a thread of the process while it runs. */
export function shareResolutions(resolve: Resolve): Resolve {
  const running = new Map<string, ReturnType<Resolve>>();
  return (hostname) => {
    const resolution =
      running.get(hostname) ?? resolve(hostname).finally(() => void running.delete(hostname));
    running.set(hostname, resolution);
    return resolution;
  };
}
