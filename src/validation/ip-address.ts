import { BlockList, isIP } from 'node:net';

/** Parses an address or a CIDR block as a block; returns undefined if it is neither. */
export function parseCidr(text: string): { address: string; prefix: number } | undefined {
  const [, address = '', length] = /^([\da-fA-F:.]+)(?:\/(\d{1,3}))?$/.exec(text) ?? [];
  if (isIP(address) === 0) return undefined;
  const bits = isIP(address) === 4 ? 32 : 128;
  const prefix = Number(length ?? bits);
  return prefix <= bits ? { address, prefix } : undefined;
}

/** Creates a function that returns whether an address is within one of the CIDR blocks. */
export function createNetworkCheck(networks: readonly string[]): (address: string) => boolean {
  const list = new BlockList();
  for (const network of networks) {
    const { address, prefix } = parseCidr(network)!;
    list.addSubnet(address, prefix, familyOf(address));
  }
  return (address) => isIP(address) !== 0 && list.check(address, familyOf(address));
}

function familyOf(address: string): 'ipv4' | 'ipv6' {
  return isIP(address) === 4 ? 'ipv4' : 'ipv6';
}
