import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { expect, test } from '@jest/globals';

test('the tables of docs/scaling.md are those that bench/sizing.js computes from the stored measurement', async () => {
  const { stdout } = await promisify(execFile)(process.execPath, ['bench/sizing.js']);
  /** Without the padding of the formatter. */
  const rowsOf = (markdown: string) =>
    markdown
      .split('\n')
      .filter((line) => line.startsWith('|') && !line.startsWith('| -'))
      .map((line) => line.replace(/ +\|/g, ' |').replace(/\| +/g, '| '));
  const computed = rowsOf(stdout);
  expect(computed.length).toBeGreaterThan(10);
  expect(rowsOf(readFileSync('docs/scaling.md', 'utf8'))).toEqual(expect.arrayContaining(computed));

  const { rows } = JSON.parse(readFileSync('bench/results/cost.json', 'utf8')) as {
    rows: { group: number; subscriber: number };
  };
  expect(readFileSync('docs/scaling.md', 'utf8')).toContain(
    `plans × ${Math.round(rows.group)} bytes + subscribers × ${Math.round(rows.subscriber)} bytes`,
  );
});
