import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, test } from '@jest/globals';
import { bin, cwd } from '../support/command-line.ts';

const printUsage = `data:text/javascript,process.on('exit', () => {
  const { userCPUTime, systemCPUTime } = process.resourceUsage();
  process.stderr.write(String((userCPUTime + systemCPUTime) / 1e6));
});`;

/** The CPU time of a process in seconds: the least of three, since other processes slow it down. */
async function cpuSecondsOf(...args: string[]): Promise<number> {
  const seconds: number[] = [];
  for (let attempt = 0; attempt < 3; attempt++) {
    const { stderr } = await promisify(execFile)(process.execPath, ['--import', printUsage, ...args], {
      cwd,
    });
    seconds.push(Number(stderr));
  }
  return Math.min(...seconds);
}

test.each([[['--version']], [['--help']], [['groups', 'edit', '--help']]])(
  'group-api %j takes less than 0.3 s of CPU, or four times that of an empty program on a slow machine',
  async (args) => {
    const empty = await cpuSecondsOf('--eval', '0');
    expect(empty).toBeGreaterThan(0);
    expect(await cpuSecondsOf(bin, ...args)).toBeLessThan(Math.max(0.3, 4 * empty));
  },
);
