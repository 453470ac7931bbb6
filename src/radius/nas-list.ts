import { isIP, SocketAddress } from 'node:net';
import { createNetworkCheck, parseCidr } from '../validation/ip-address.ts';

/** A row of the table `nas`. */
export type NasRow = { readonly name: string; readonly secret: string };

/** Returns the addresses of a name; none if it cannot be resolved. */
export type ResolveName = (name: string) => Promise<readonly string[]>;

/** Finds the secret of the NAS with an address; undefined if `nas` has no row for it. */
export type FindSecret = (address: string) => string | undefined;

/**
 * Creates the function that finds secrets, from the rows of `nas`: `nasname` is an address, a CIDR block or a name, as
 * FreeRADIUS reads it. An address or a name precedes a block, and a small block a large one.
 */
export async function createSecretFinder(rows: readonly NasRow[], resolve: ResolveName): Promise<FindSecret> {
  const secretByAddress = new Map<string, string>();
  const blocks: {
    readonly prefix: number;
    readonly secret: string;
    readonly contains: (address: string) => boolean;
  }[] = [];
  /** The first row of an address counts, as for FreeRADIUS. */
  const add = (address: string, secret: string) => {
    const key = normalizeAddress(address);
    if (!secretByAddress.has(key)) secretByAddress.set(key, secret);
  };
  const resolved = await Promise.all(
    rows.map(async ({ name }) => (parseCidr(name) ? [name] : resolve(name))),
  );
  for (const [index, { name, secret }] of rows.entries()) {
    const cidr = name.includes('/') && parseCidr(name);
    if (cidr) blocks.push({ prefix: cidr.prefix, secret, contains: createNetworkCheck([name]) });
    else for (const address of resolved[index]!) add(address, secret);
  }
  blocks.sort((one, other) => other.prefix - one.prefix);
  return (address) =>
    secretByAddress.get(normalizeAddress(address)) ??
    blocks.find(({ contains }) => contains(address))?.secret;
}

/** Returns the one way to write an IP address, which is compared with the source of a response. */
export function normalizeAddress(address: string): string {
  const family = isIP(address) === 6 ? 'ipv6' : 'ipv4';
  return new SocketAddress({ address, family }).address;
}
