import { BlockList, isIP } from 'node:net';

/** Reads an address or a CIDR block, as a block; `undefined` for anything else. */
export function readNetwork(text: string): { address: string; prefix: number } | undefined {
  const [, address = '', given] = /^([\da-fA-F:.]+)(?:\/(\d{1,3}))?$/.exec(text) ?? [];
  if (isIP(address) === 0) return undefined;
  const bits = isIP(address) === 4 ? 32 : 128;
  const prefix = Number(given ?? bits);
  return prefix <= bits ? { address, prefix } : undefined;
}

/** Makes of CIDR blocks what tells whether an address is within one of them. */
export function createNetworkCheck(networks: readonly string[]): (address: string) => boolean {
  const list = new BlockList();
  for (const network of networks) {
    const { address, prefix } = readNetwork(network)!;
    list.addSubnet(address, prefix, familyOf(address));
  }
  return (address) => isIP(address) !== 0 && list.check(address, familyOf(address));
}

/** An address as IPv4 where it is one: a server that listens on `::` sees `::ffff:192.0.2.1`. */
export function plainAddress(address: string): string {
  const mapped = /^::ffff:([\d.]+)$/i.exec(address)?.[1];
  return mapped !== undefined && isIP(mapped) === 4 ? mapped : address;
}

function familyOf(address: string): 'ipv4' | 'ipv6' {
  return isIP(address) === 4 ? 'ipv4' : 'ipv6';
}
