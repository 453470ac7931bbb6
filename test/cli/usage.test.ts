import { expect, test } from '@jest/globals';
import { createCommandLine, listCommands } from '../support/command-line.ts';

/** No command of this file gets as far as opening a database. */
const { run } = createCommandLine(() => ({ url: 'postgresql://127.0.0.1:1/none' }));

test('every command has --help with an example and the exit codes', async () => {
  const commands = await listCommands(run);
  const groups = new Set(
    commands.flatMap((command) => (command.includes(' ') ? [command.split(' ')[0]!] : [])),
  );
  for (const command of ['', ...groups, ...commands]) {
    const { stdout: help } = await run(...command.split(' ').filter(Boolean), '--help');
    expect(help).toMatch(/\nExamples?:\n {2}\S/);
    expect(help).toContain('Exit codes: 0 done, 1 rejected or failed, 2 usage error.');
  }
  expect(commands).toEqual(
    expect.arrayContaining(['serve', 'groups export', 'accounts rotate', 'audit list']),
  );
});

test.each([
  [['launch'], "error: unknown command 'launch'\n(see --help)\n"],
  [
    ['groups', 'list', 'all'],
    "error: too many arguments for 'list'. Expected 0 arguments but got 1.\n(see --help)\n",
  ],
  [['launch', '--json'], `{"error":{"code":"USAGE_ERROR","message":"unknown command 'launch'"}}\n`],
])('the command line %j is a usage error: exit code 2, nothing on standard output', async (args, stderr) => {
  expect(await run(...args)).toStrictEqual({ code: 2, stdout: '', stderr });
});

test.each([
  [
    ['groups', 'list', '--first', '0', '--json'],
    { code: 'BAD_USER_INPUT', argument: 'first', message: expect.any(String) },
  ],
  [['groups', 'purge', '7', '--json'], { code: 'COMMAND_FAILED', message: 'Not a terminal; pass --yes' }],
])('the command line %j prints its error as JSON', async (args, error) => {
  const { code, stdout, stderr } = await run(...args);
  expect([code, stdout, JSON.parse(stderr)]).toStrictEqual([1, '', { error }]);
});
