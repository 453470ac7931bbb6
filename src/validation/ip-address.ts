import { BlockList, isIP } from 'node:net';

/** Reads an address or a CIDR block, as a block; `undefined` for anything else. */
export function parseCidr(text: string): { address: string; prefix: number } | undefined {
  const [, address = '', given] = /^([\da-fA-F:.]+)(?:\/(\d{1,3}))?$/.exec(text) ?? [];
  if (isIP(address) === 0) return undefined;
  const bits = isIP(address) === 4 ? 32 : 128;
  const prefix = Number(given ?? bits);
  return prefix <= bits ? { address, prefix } : undefined;
}

/** Creates the check that tells of CIDR blocks whether an address is within one of them. */
export function createNetworkCheck(networks: readonly string[]): (address: string) => boolean {
  const list = new BlockList();
  for (const network of networks) {
    const { address, prefix } = parseCidr(network)!;
    list.addSubnet(address, prefix, familyOf(address));
  }
  return (address) => isIP(address) !== 0 && list.check(address, familyOf(address));
}

/**
 * An address without what is written around it: as IPv4 where it is one, since a server that listens on `::` sees
 * `::ffff:192.0.2.1`, and without the port that some proxies add.
 */
export function normalizeIp(text: string): string {
  const [, v4, v6] = /^(?:::ffff:)?(\d+(?:\.\d+){3})(?::\d+)?$|^\[(.+)\](?::\d+)?$/i.exec(text) ?? [];
  return v4 ?? v6 ?? text;
}

function familyOf(address: string): 'ipv4' | 'ipv6' {
  return isIP(address) === 4 ? 'ipv4' : 'ipv6';
}
