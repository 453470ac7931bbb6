import { expect, test } from '@jest/globals';
import { startServer } from '../support/server-process.ts';

const moduleUrl = (path: string) =>
  JSON.stringify(new URL(`../../dist/process/${path}`, import.meta.url).href);

/** Runs a program that writes log lines, and returns its log and how it ended. */
async function runProgram(end: string): Promise<string[]> {
  const program = `
    import { createLogger } from ${moduleUrl('logger.js')};
    import { listenToStop } from ${moduleUrl('stop-signals.js')};
    const log = await createLogger('info', false);
    log.info('first');
    await new Promise((resolve) => setTimeout(resolve));
    log.info('second');
    ${end}`;
  const { exited } = startServer({}, ['--input-type=module', '-e'], [program]);
  const { stderr } = await exited;
  const lines = stderr.split('\n').filter((line) => line.startsWith('{'));
  // One that is being written in the background may come after those that are written at the end.
  return lines.map((line) => JSON.parse(line).msg as string).toSorted();
}

test.each([
  ['process.exit', 'process.exit(1);'],
  ['an error that is not caught', `throw new Error('expected');`],
  ['a rejection that is not handled', `void Promise.reject(new Error('expected')); log.info('third');`],
  [
    'the second signal of a command',
    `const sendAgain = () => process.kill(process.pid, 'SIGTERM');
     listenToStop(() => setInterval(sendAgain, 20), { endsAtSecond: true, onRepeat: () => log.info('third') });
     sendAgain();`,
  ],
])('a process that ends by %s has written its last log lines', async (_, end) => {
  const expected = ['first', 'second', ...(end.includes('third') ? ['third'] : [])];
  expect(await runProgram(end)).toStrictEqual(expected);
});
