/** The fields of a group that RADIUS attributes set. */
export type RadiusFields = {
  multiLoginCount?: number;
  downloadUpload?: string;
  dailyBandwidth?: string;
  duration?: number;
  ip?: string;
};

/** Sets the fields that a value means; returns what is not understood of it, and undefined if that is nothing. */
type ReadValue = (value: string, fields: RadiusFields) => string | undefined;

const maxInteger = 2_147_483_647;
const secondsOfDay = 86_400;
const notWhole = 'not a whole number that group-api supports';

const readers: ReadonlyMap<string, ReadValue> = new Map<string, ReadValue>([
  ['simultaneous-use', readLogins],
  ['port-limit', readLogins],
  ['max-daily-octets', readQuota],
  // Of openwisp-radius, and of CoovaChilli.
  ['max-daily-session-traffic', readQuota],
  ['cs-total-octets-daily', readQuota],
  ['mikrotik-rate-limit', readMikrotikRate],
  ['expire-after', readDuration],
  ['framed-ip-address', readAddress],
  ['framed-ipv6-address', readAddress],
  ['framed-pool', () => 'group-api names a pool after its group: set ip to the CIDR block of the pool'],
  ['framed-ipv6-pool', () => 'group-api names a pool after its group: set ip to the CIDR block of the pool'],
]);

const downAttribute = 'wispr-bandwidth-max-down';
const upAttribute = 'wispr-bandwidth-max-up';

/** A row of `radgroupcheck` or `radgroupreply`. */
export type RadiusRow = {
  readonly attribute: string;
  readonly op: string;
  readonly value: string;
};

/**
 * Converts the attributes of a RADIUS group to fields of a group-api group. `problems` has each attribute that is not
 * understood, or not as a whole, with the reason.
 */
export function readRadiusRows(rows: readonly RadiusRow[]): {
  readonly fields: RadiusFields;
  readonly problems: readonly { readonly row: RadiusRow; readonly reason: string }[];
} {
  const fields: RadiusFields = {};
  const problems: { row: RadiusRow; reason: string }[] = [];
  const valueByAttribute = new Map<string, string>();
  const wispr = new Map<string, { row: RadiusRow; bits: bigint }>();
  for (const row of rows) {
    const attribute = row.attribute.toLowerCase();
    const problem = (reason: string) => problems.push({ row, reason });
    const previous = valueByAttribute.get(attribute);
    if (!['=', ':=', '==', '+='].includes(row.op)) problem('the operator compares, and sets nothing');
    else if (previous !== undefined) {
      if (previous !== row.value) problem(`the value ${previous} comes first`);
    } else {
      valueByAttribute.set(attribute, row.value);
      if (attribute === downAttribute || attribute === upAttribute) {
        const bits = parseWhole(row.value);
        if (bits === undefined) problem(notWhole);
        else wispr.set(attribute, { row, bits });
        continue;
      }
      const read = readers.get(attribute);
      const reason = read ? read(row.value.trim(), fields) : 'group-api has no field for it';
      if (reason !== undefined) problem(reason);
    }
  }
  addWisprRates(fields, wispr, (row, reason) => problems.push({ row, reason }));
  return { fields, problems };
}

function addWisprRates(
  fields: RadiusFields,
  wispr: ReadonlyMap<string, { row: RadiusRow; bits: bigint }>,
  addProblem: (row: RadiusRow, reason: string) => void,
): void {
  const [down, up] = [wispr.get(downAttribute), wispr.get(upAttribute)];
  const rates = down && up && formatRates(down.bits, up.bits);
  if (rates !== undefined && fields.downloadUpload === undefined) {
    fields.downloadUpload = rates;
    return;
  }
  if (rates !== undefined && rates === fields.downloadUpload) return;
  for (const { row } of wispr.values())
    addProblem(
      row,
      fields.downloadUpload === undefined
        ? 'a limit needs a download and an upload of 1 bit/s or more'
        : 'Mikrotik-Rate-Limit comes first',
    );
}

function readLogins(value: string, fields: RadiusFields): string | undefined {
  const count = Number(parseWhole(value));
  if (!(count >= 1 && count <= maxInteger)) return `${notWhole}: 1 to ${maxInteger}`;
  // Simultaneous-Use and Port-Limit limit the same.
  fields.multiLoginCount = Math.min(count, fields.multiLoginCount ?? maxInteger);
  return undefined;
}

function readQuota(value: string, fields: RadiusFields): string | undefined {
  const bytes = parseWhole(value);
  if (bytes === undefined || bytes < 1n || bytes >= 2n ** 63n) return notWhole;
  if (fields.dailyBandwidth !== undefined && fields.dailyBandwidth !== formatBytes(bytes))
    return `the quota ${fields.dailyBandwidth} comes first`;
  fields.dailyBandwidth = formatBytes(bytes);
  return undefined;
}

function readDuration(value: string, fields: RadiusFields): string | undefined {
  const seconds = Number(parseWhole(value));
  if (!(seconds >= secondsOfDay && seconds % secondsOfDay === 0 && seconds / secondsOfDay <= maxInteger))
    return 'not a whole number of days in seconds';
  fields.duration = seconds / secondsOfDay;
  return undefined;
}

function readAddress(value: string, fields: RadiusFields): string | undefined {
  // RFC 2865: the NAS, or the user, chooses the address.
  if (value === '255.255.255.254' || value === '255.255.255.255') {
    fields.ip ??= 'DYNAMIC';
    return undefined;
  }
  if (fields.ip !== undefined && fields.ip !== 'DYNAMIC') return `the address ${fields.ip} comes first`;
  fields.ip = value;
  return undefined;
}

/** "<upload>/<download>", or one rate for both; after it, RouterOS supports bursts, a priority and minimum rates. */
function readMikrotikRate(value: string, fields: RadiusFields): string | undefined {
  const [, up, down, rest] = /^(\d+[kKMG]?)(?:\/(\d+[kKMG]?))?(?:\s+(.*))?$/.exec(value) ?? [];
  if (up === undefined) return 'not a rate';
  const rates = formatRates(parseRate(down ?? up), parseRate(up));
  if (rates === undefined) return 'a limit needs a download and an upload of 1 bit/s or more';
  fields.downloadUpload = rates;
  return rest ? `group-api has no bursts, priorities and minimum rates: ${rest}` : undefined;
}

function parseRate(text: string): bigint {
  const factors: Readonly<Record<string, bigint>> = { k: 1000n, m: 1_000_000n, g: 1_000_000_000n };
  return BigInt(text.replace(/\D/, '')) * (factors[text.at(-1)!.toLowerCase()] ?? 1n);
}

function parseWhole(value: string): bigint | undefined {
  return /^\d{1,20}$/.test(value.trim()) ? BigInt(value.trim()) : undefined;
}

/** Returns rates as `downloadUpload`, which then reads as the same numbers; undefined if they are no limit. */
function formatRates(down: bigint, up: bigint): string | undefined {
  const highest = 2n ** 63n;
  if (down < 1n || up < 1n || down >= highest || up >= highest) return undefined;
  const units = [
    ['G', 1_000_000_000n],
    ['M', 1_000_000n],
    ['k', 1000n],
  ] as const;
  const format = (bits: bigint) => {
    const unit = units.find(([, factor]) => bits % factor === 0n);
    return unit ? `${bits / unit[1]}${unit[0]}` : `${bits}bit`;
  };
  return `${format(down)}/${format(up)}`;
}

function formatBytes(bytes: bigint): string {
  const units = [
    ['GB', 1000n ** 3n],
    ['GiB', 1024n ** 3n],
    ['MB', 1000n ** 2n],
    ['MiB', 1024n ** 2n],
    ['kB', 1000n],
  ] as const;
  const unit = units.find(([, factor]) => bytes % factor === 0n);
  return unit ? `${bytes / unit[1]}${unit[0]}` : `${bytes}B`;
}
