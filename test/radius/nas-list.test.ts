import { expect, test } from '@jest/globals';
import { createNameResolver } from '../../src/radius/name-resolver.ts';
import { createSecretFinder } from '../../src/radius/nas-list.ts';

const noNames = async () => [];

test('of several rows of nas with one address, the first counts; an address precedes a block, a small block a large one', async () => {
  const rows = [
    { name: '10.0.0.0/8', secret: 'large' },
    { name: '10.0.0.1', secret: 'first' },
    { name: '10.0.0.1', secret: 'second' },
    { name: '10.0.0.0/24', secret: 'small' },
  ];
  const findSecret = await createSecretFinder(rows, noNames);
  expect(['10.0.0.1', '10.0.0.2', '10.1.0.1', '11.0.0.1'].map(findSecret)).toStrictEqual([
    'first',
    'small',
    'large',
    undefined,
  ]);
});

test('of a name and an address of the same NAS, the first row counts', async () => {
  const resolve = async () => ['10.0.0.1', '10.0.0.2'];
  const rows = [
    { name: '10.0.0.1', secret: 'address' },
    { name: 'nas.example', secret: 'name' },
    { name: '10.0.0.2', secret: 'later address' },
  ];
  const findSecret = await createSecretFinder(rows, resolve);
  expect(['10.0.0.1', '10.0.0.2'].map(findSecret)).toStrictEqual(['address', 'name']);
});

test('a name is looked up once at a time, and has its last addresses while the look-up has no result, or after its error', async () => {
  const waiting: {
    resolve: (addresses: { address: string }[]) => void;
    reject: (error: Error) => void;
  }[] = [];
  const lookup = () =>
    new Promise<{ address: string }[]>((resolve, reject) => {
      waiting.push({ resolve, reject });
    });
  const resolveName = createNameResolver({ lookup, timeoutMs: 1 });
  expect(await Promise.all([resolveName('nas.example'), resolveName('nas.example')])).toStrictEqual([[], []]);
  expect(waiting).toHaveLength(1);
  waiting[0]!.resolve([{ address: '10.0.0.1' }, { address: 'fe80::1%eth0' }]);
  const first = createNameResolver({ lookup: async () => [{ address: '10.0.0.2' }], timeoutMs: 60_000 });
  expect(await first('nas.example')).toStrictEqual(['10.0.0.2']);
  expect(await resolveName('nas.example')).toStrictEqual(['10.0.0.1']);
  expect(await resolveName('nas.example')).toStrictEqual(['10.0.0.1']);
  expect(waiting).toHaveLength(2);
  waiting[1]!.reject(new Error('EAI_AGAIN'));
  expect(await resolveName('nas.example')).toStrictEqual(['10.0.0.1']);
});
