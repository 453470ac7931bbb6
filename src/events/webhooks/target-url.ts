import { BlockList, isIP } from 'node:net';
import { badInput } from '../../errors.ts';
import { createNetworkCheck } from '../../validation/ip-address.ts';

/** Which addresses webhooks may be sent to. */
export type TargetPolicy = {
  /** CIDR blocks that are allowed although they are not global unicast (`WEBHOOK_ALLOWED_NETWORKS`). */
  readonly allowedNetworks: readonly string[];
  /** Whether `http:` is allowed (`WEBHOOK_ALLOW_HTTP`). */
  readonly allowsHttp: boolean;
};

/** An address that the name of a target resolves to. */
export type TargetAddress = { readonly address: string; readonly family: number };

/** Why a target is rejected, in one sentence that names the value and the setting that would allow it. */
export class TargetRejection extends Error {
  override name = 'TargetRejection';
}

const maxUrlLength = 2000;

/**
 * Addresses that are not global unicast, by the special-purpose registries of IANA
 * (https://www.iana.org/assignments/iana-ipv4-special-registry and iana-ipv6-special-registry). An IPv6 address outside
 * 2000::/3 is rejected without a look at this list.
 */
const specialBlocks = [
  ['0.0.0.0/8', 'this network'],
  ['10.0.0.0/8', 'private'],
  ['100.64.0.0/10', 'shared address space'],
  ['127.0.0.0/8', 'loopback'],
  ['169.254.0.0/16', 'link-local'],
  // Not in the registry: https://learn.microsoft.com/azure/virtual-network/what-is-ip-address-168-63-129-16
  ['168.63.129.16/32', 'the platform of Azure'],
  ['172.16.0.0/12', 'private'],
  ['192.0.0.0/24', 'protocol assignments'],
  ['192.0.2.0/24', 'documentation'],
  ['192.31.196.0/24', 'AS112'],
  ['192.52.193.0/24', 'AMT'],
  ['192.88.99.0/24', '6to4 relay'],
  ['192.168.0.0/16', 'private'],
  ['192.175.48.0/24', 'AS112'],
  ['198.18.0.0/15', 'benchmarking'],
  ['198.51.100.0/24', 'documentation'],
  ['203.0.113.0/24', 'documentation'],
  ['224.0.0.0/4', 'multicast'],
  ['240.0.0.0/4', 'reserved or broadcast'],
  ['2001::/23', 'protocol assignments, such as Teredo'],
  ['2001:db8::/32', 'documentation'],
  ['2002::/16', '6to4'],
  ['2620:4f:8000::/48', 'AS112'],
  ['3fff::/20', 'documentation'],
] as const;
const specialChecks = specialBlocks.map(([block, kind]) => ({
  contains: createNetworkCheck([block]),
  kind,
}));

/** 2000::/3, the only block that IANA assigns global unicast addresses from (RFC 4291, section 2.4). */
const globalUnicast = new BlockList();
globalUnicast.addSubnet('2000::', 3, 'ipv6');

/**
 * Parses the URL of an endpoint as WHATWG URL does, which turns each spelling of an IPv4 address into the usual one,
 * and checks it. The addresses of a name are checked by `requireAllowedAddresses`.
 * @throws AppError BAD_USER_INPUT with the rule and the value
 */
export function parseTargetUrl(text: string, policy: TargetPolicy): URL {
  if (text.length > maxUrlLength)
    throw badInput('url', `url must have at most ${maxUrlLength} characters, not ${text.length}`);
  if (!URL.canParse(text)) throw badInput('url', 'url must be a URL such as https://panel.example/webhooks');
  const url = new URL(text);
  try {
    requireAllowedUrl(url, policy);
  } catch (error) {
    if (error instanceof TargetRejection) throw badInput('url', error.message);
    throw error;
  }
  // A fragment is never sent.
  url.hash = '';
  return url;
}

/** Checks the scheme of a URL, and its host if it is a literal address. @throws TargetRejection */
export function requireAllowedUrl(url: URL, policy: TargetPolicy): void {
  if (url.protocol !== 'https:' && url.protocol !== 'http:')
    throw new TargetRejection(`url must start with https://, not ${url.protocol}`);
  if (url.protocol === 'http:' && !policy.allowsHttp)
    throw new TargetRejection('url must start with https://; WEBHOOK_ALLOW_HTTP=true allows http://');
  if (url.username !== '' || url.password !== '')
    throw new TargetRejection('url must not contain a user name or a password: the signature authenticates');
  const literal = literalAddressOf(url);
  if (literal !== undefined) requireAllowedAddresses(literal, [literal], policy);
}

/** Returns the host of a URL if it is a literal address, else undefined. */
export function literalAddressOf({ hostname }: URL): TargetAddress['address'] | undefined {
  const host = hostname.replace(/^\[(.*)\]$/, '$1');
  return isIP(host) === 0 ? undefined : host;
}

/**
 * Checks all addresses of a host: one that is not allowed rejects the host, since its owner chooses which of them is
 * returned first.
 * @throws TargetRejection
 */
export function requireAllowedAddresses(
  host: string,
  addresses: readonly string[],
  { allowedNetworks }: TargetPolicy,
): void {
  if (addresses.length === 0) throw new TargetRejection(`${host} has no address`);
  const isAllowed = createNetworkCheck(allowedNetworks);
  for (const address of addresses) {
    const kind = findSpecialKind(address);
    if (kind === undefined || isAllowed(address)) continue;
    const subject = host === address ? address : `${host} has the address ${address}, which`;
    throw new TargetRejection(
      `${subject} is not a public address (${kind}); WEBHOOK_ALLOWED_NETWORKS allows the networks that it names`,
    );
  }
}

/** Returns the kind of an address that is not global unicast, else undefined. */
function findSpecialKind(address: string): string | undefined {
  const family = isIP(address);
  if (family === 0) return 'not an address';
  // BlockList compares an IPv4-mapped IPv6 address with the IPv4 blocks, too.
  const special = specialChecks.find(({ contains }) => contains(address));
  if (special !== undefined) return special.kind;
  if (family === 6 && !globalUnicast.check(address, 'ipv6')) return 'outside of 2000::/3';
  return undefined;
}
