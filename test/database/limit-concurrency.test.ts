import { expect, test } from '@jest/globals';
import { limitConcurrency } from '../../src/database/limit-concurrency.ts';

test('calls run two at a time in their order, and one that fails makes way for the next', async () => {
  const started: number[] = [];
  const finish = new Map<number, (result: number | Error) => void>();
  const run = limitConcurrency((n: number) => {
    started.push(n);
    return new Promise<number>((resolve, reject) =>
      finish.set(n, (result) => (typeof result === 'number' ? resolve(result) : reject(result))),
    );
  }, 2);
  const calls = [1, 2, 3, 4].map((n) => run(n));
  expect(started).toStrictEqual([1, 2]);
  finish.get(2)!(20);
  expect(await calls[1]).toBe(20);
  expect(started).toStrictEqual([1, 2, 3]);
  finish.get(1)!(new Error('failed'));
  await expect(calls[0]).rejects.toThrow('failed');
  expect(started).toStrictEqual([1, 2, 3, 4]);
  for (const n of [3, 4]) finish.get(n)!(n * 10);
  expect(await Promise.all(calls.slice(2))).toStrictEqual([30, 40]);
  const last = run(5);
  finish.get(5)!(50);
  expect(await last).toBe(50);
});
