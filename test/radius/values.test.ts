import { describe, expect, test } from '@jest/globals';
import { useTestApp } from '../support/test-app.ts';

// The functions that read the free texts of a plan, for the views of FreeRADIUS and for `radiusAttributes`.

const app = useTestApp();

/** A text with the download and upload in bit/s; null if it is not understood. */
const rates: readonly (readonly [text: string, bits: readonly [string, string] | null])[] = [
  ['100/100', ['100000000', '100000000']],
  ['100/20', ['100000000', '20000000']],
  [' 100 / 20 ', ['100000000', '20000000']],
  ['1.5/0.5', ['1500000', '500000']],
  ['10M/2M', ['10000000', '2000000']],
  ['10m/512k', ['10000000', '512000']],
  ['10 M/512 K', ['10000000', '512000']],
  ['1G/500M', ['1000000000', '500000000']],
  ['2048kbit/512kbit', ['2048000', '512000']],
  ['2048/512 kbit/s', ['2048000', '512000']],
  ['100/50 Mbit/s', ['100000000', '50000000']],
  ['100/50Mbps', ['100000000', '50000000']],
  ['100/50 mbps', ['100000000', '50000000']],
  ['100Mb/s/50Mb/s', ['100000000', '50000000']],
  ['64000bit/32000bit', ['64000', '32000']],
  ['64000 bit/s/32000 bits/s', ['64000', '32000']],
  ['9.5Gbit/1Gbit', ['9500000000', '1000000000']],
  ['۱۰۰/۲۰', ['100000000', '20000000']],
  ['٥٠/٢٥ Mbps', ['50000000', '25000000']],
  ['0.000001/1', ['1', '1000000']],
  ['0.0000001/1', null],
  ['9223372036854bit/1bit', ['9223372036854', '1']],
  ['unlimited', null],
  ['Unlimited', null],
  ['', null],
  ['100', null],
  ['100/', null],
  ['/100', null],
  ['100/100/100', null],
  ['1,5/1', null],
  ['1٫5/1', null],
  ['1.000,5/1', null],
  ['-1/1', null],
  ['+1/1', null],
  ['1e3/1', null],
  ['.5/1', null],
  ['5./1', null],
  ['0/0', null],
  ['0/10', null],
  ['10/512k', null],
  ['512k/10', null],
  ['100Mbit/s/50', null],
  ['10MB/2MB', null],
  ['10 MB/s / 2 MB/s', null],
  ['10T/10T', null],
  ['100/unlimited', null],
  ['100:20', null],
  ['100\\20', null],
  ['100/20 Mbit/s max', null],
  ['999999999999999G/1G', null],
  ['9999999999999999/1', null],
  ['100/20\n', null],
];

/** A text with the quota in bytes; null if it is not understood. */
const quotas: readonly (readonly [text: string, bytes: string | null])[] = [
  ['10GB', '10000000000'],
  ['10 GB', '10000000000'],
  ['10gb', '10000000000'],
  ['10G', '10000000000'],
  ['1.5GB', '1500000000'],
  ['10GiB', '10737418240'],
  ['10Gi', '10737418240'],
  ['10gib', '10737418240'],
  ['500MB', '500000000'],
  ['500M', '500000000'],
  ['512MiB', '536870912'],
  ['100kB', '100000'],
  ['100KB', '100000'],
  ['1TB', '1000000000000'],
  ['2TiB', '2199023255552'],
  ['1000', '1000000000'],
  ['1000B', '1000'],
  ['1000 bytes', '1000'],
  ['۱۰GB', '10000000000'],
  ['9223372036854775807B', null],
  ['922337203685477580B', '922337203685477580'],
  ['unlimited', null],
  ['UNLIMITED', null],
  ['', null],
  ['GB', null],
  ['10 GB/day', null],
  ['10GB per day', null],
  ['1,5GB', null],
  ['1.000.000', null],
  ['10Gb', null],
  ['10Gbit', null],
  ['10PB', null],
  ['10 G B', null],
  ['-10GB', null],
  ['0', null],
  ['0GB', null],
  ['0.1B', null],
  ['1e9', null],
  ['0x10', null],
  ['999999999999999999TB', null],
  ['٫5GB', null],
];

test.each(rates)('downloadUpload %j is %j in bit/s', async (text, bits) => {
  expect(await app.sql('SELECT download_upload_bits($1)::text[] AS bits', [text])).toStrictEqual([{ bits }]);
});

test.each(quotas)('dailyBandwidth %j is %j bytes', async (text, bytes) => {
  expect(await app.sql('SELECT daily_bytes($1)::text AS bytes', [text])).toStrictEqual([{ bytes }]);
});

describe('the unit of a number without one', () => {
  test.each([
    ['bit/s', '100'],
    ['kbit/s', '100000'],
    ['Mbit/s', '100000000'],
    ['Gbit/s', '100000000000'],
  ])('%s makes a rate of 100 to %s bit/s, and leaves 1M alone', async (unit, bits) => {
    const sql = 'SELECT download_upload_bits($1, $2)::text[] AS bits';
    expect(await app.sql(sql, ['100/100', unit])).toStrictEqual([{ bits: [bits, bits] }]);
    expect(await app.sql(sql, ['1M/1M', unit])).toStrictEqual([{ bits: ['1000000', '1000000'] }]);
  });

  test.each([
    ['B', '7'],
    ['kB', '7000'],
    ['MB', '7000000'],
    ['GB', '7000000000'],
    ['KiB', '7168'],
    ['MiB', '7340032'],
    ['GiB', '7516192768'],
  ])('%s makes a quota of 7 to %s bytes, and leaves 7B alone', async (unit, bytes) => {
    const sql = 'SELECT daily_bytes($1, $2)::text AS bytes';
    expect(await app.sql(sql, ['7', unit])).toStrictEqual([{ bytes }]);
    expect(await app.sql(sql, ['7B', unit])).toStrictEqual([{ bytes: '7' }]);
  });
});

test.each([
  ['192.0.2.1', 'IPv4'],
  ['255.255.255.255', 'IPv4'],
  ['0.0.0.0', 'IPv4'],
  ['192.0.2.256', null],
  ['192.0.2', null],
  ['192.0.02.1', null],
  ['1.2.3.4.5', null],
  ['192.0.2.0/24', 'IPv4 block'],
  ['0.0.0.0/0', 'IPv4 block'],
  ['192.0.2.0/33', null],
  ['2001:db8::1', 'IPv6'],
  ['2001:DB8:0:0:0:0:0:1', 'IPv6'],
  ['::', 'IPv6'],
  ['::1', 'IPv6'],
  ['1::', 'IPv6'],
  ['::ffff:192.0.2.1', 'IPv6'],
  ['::192.0.2.256', null],
  ['1:2:3:4:5:6:7', null],
  ['1:2:3:4:5:6:7:8:9', null],
  ['1::2::3', null],
  [':::', null],
  ['1:2:3:4::5:6:7:8', null],
  ['12345::', null],
  ['2001:db8::/32', 'IPv6 block'],
  ['::/128', 'IPv6 block'],
  ['::/129', null],
  ['STATIC', null],
  ['DYNAMIC', null],
  ['/', null],
  ['', null],
])('ip %j is %j', async (ip, kind) => {
  expect(await app.sql('SELECT radius_ip_kind($1) AS kind', [ip])).toStrictEqual([{ kind }]);
  // The same judgement as that of PostgreSQL, whose cast fails instead.
  if (kind !== null) await app.sql('SELECT $1::inet', [ip]);
});

test.each([
  ['1500000', '1500k'],
  ['2000000', '2M'],
  ['1234567', '1234567'],
  ['10000000000', '10000M'],
])('%s bit/s is %s for RouterOS', async (bits, text) => {
  expect(await app.sql('SELECT mikrotik_rate($1) AS text', [bits])).toStrictEqual([{ text }]);
});

test('2,000 hostile texts are not understood, in 15 ms each at most', async () => {
  const texts = [
    '1'.repeat(1_000_000),
    `${' '.repeat(100_000)}1/1`,
    `${'9'.repeat(15)}.${'9'.repeat(60)}/1`,
    '1/'.repeat(120),
    ' '.repeat(255),
    `1${' '.repeat(120)}/${' '.repeat(120)}1x`,
    '::'.repeat(30),
    '1:'.repeat(32),
  ];
  const startedAt = performance.now();
  const [row] = await app.sql<{ count: number }>(
    `SELECT count(*) FILTER (WHERE coalesce(download_upload_bits(text)::text, daily_bytes(text)::text, radius_ip_kind(text)) IS NOT NULL)::int
     FROM unnest($1::text[]) AS text, generate_series(1, 250)`,
    [texts],
  );
  expect(row).toStrictEqual({ count: 0 });
  expect(performance.now() - startedAt).toBeLessThan(30_000);
});

test('the functions are immutable, safe in parallel workers, and do not depend on search_path', async () => {
  const rows = await app.sql<{ name: string }>(
    `SELECT proname AS name FROM pg_proc WHERE proname IN
       ('download_upload_bits', 'daily_bytes', 'radius_ip_kind', 'mikrotik_rate', 'radius_attributes')
       AND provolatile = 'i' AND proparallel = 's' AND (prosqlbody IS NOT NULL OR proconfig @> ARRAY['search_path=pg_catalog, pg_temp'])
     ORDER BY 1`,
  );
  expect(rows.map(({ name }) => name)).toStrictEqual([
    'daily_bytes',
    'download_upload_bits',
    'mikrotik_rate',
    'radius_attributes',
    'radius_ip_kind',
  ]);
});
