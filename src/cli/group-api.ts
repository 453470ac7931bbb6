#!/usr/bin/env node
import { readFileSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { Command, CommanderError } from 'commander';
import { OperatorError } from '../errors.ts';
import { createAccountsCommand } from './accounts.ts';
import { createDoctorCommand } from './doctor.ts';
import { createGroupsCommand } from './groups.ts';
import { createMigrateCommand } from './migrate.ts';
import { createNumberGroupsCommand } from './number-groups.ts';
import { createRepairDatesCommand } from './repair-dates.ts';
import { exitCodes, exitCodesHelp, reportError, writeErrorJson } from './command-errors.ts';
import { createServeCommand } from './serve.ts';

// The command line. Limits heap growth as the server does: see main.ts.
setFlagsFromString('--heap-growing-percent=100');

const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  version: string;
};
const asJson = process.argv.includes('--json');
const program = new Command('group-api')
  .description(
    'Run and manage a group-api server. All commands read the same settings, from the environment or .env',
  )
  .version(version)
  .addCommand(createServeCommand())
  .addCommand(createMigrateCommand())
  .addCommand(createDoctorCommand())
  .addCommand(createRepairDatesCommand())
  .addCommand(createGroupsCommand())
  .addCommand(createAccountsCommand())
  .addCommand(createNumberGroupsCommand())
  .addHelpText(
    'after',
    '\nExamples:\n  group-api serve\n  group-api groups list\n  group-api groups delete --help',
  );
for (const command of [program, ...listCommands(program)]) configureCommand(command);

let outputError: Error | undefined;
process.stdout.on('error', (error) => {
  process.exitCode = exitCodes.failed;
  // EPIPE: the reader of our output, such as `head`, has closed it, so there is no one to report to.
  if (outputError === undefined && !isClosedPipe(error))
    reportError(new OperatorError(`Cannot write to standard output: ${error.message}`), asJson);
  outputError ??= error;
});

try {
  await program.parseAsync();
} catch (error) {
  process.exitCode = exitCodeOf(error);
  const isReported = error instanceof CommanderError || error === outputError || isClosedPipe(error);
  if (!isReported) reportError(error, asJson);
}

function isClosedPipe(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'EPIPE';
}

/** Configures what all commands share: exit codes, and the format of usage errors. */
function configureCommand(command: Command): void {
  command
    .exitOverride()
    .showHelpAfterError(!asJson && '(see --help)')
    .addHelpText('after', exitCodesHelp)
    .configureOutput({
      outputError: (text, write) =>
        write(asJson ? writeErrorJson('USAGE_ERROR', text.trim().replace(/^error: /, '')) : text),
    });
}

function listCommands(command: Command): Command[] {
  return command.commands.flatMap((subcommand) => [subcommand, ...listCommands(subcommand)]);
}

function exitCodeOf(error: unknown): number {
  if (!(error instanceof CommanderError)) return exitCodes.failed;
  return error.exitCode === 0 ? exitCodes.done : exitCodes.usageError;
}
