import { readFileSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import { OperatorError } from '../errors.ts';
import { createAccountsCommand } from './accounts.ts';
import { createAuditCommand } from './audit.ts';
import { createBackupCommand } from './backup.ts';
import { createDoctorCommand } from './doctor.ts';
import { createEventsCommand } from './events.ts';
import { createGroupsCommand } from './groups.ts';
import { createMigrateCommand } from './migrate.ts';
import { createNumberGroupsCommand } from './number-groups.ts';
import { createPartitionsCommand } from './partitions.ts';
import { createRadiusCommand } from './radius.ts';
import { createRepairDatesCommand } from './repair-dates.ts';
import { createRestoreCommand } from './restore.ts';
import { createServiceGroupsCommand } from './service-groups.ts';
import { createSubscribersCommand } from './subscribers.ts';
import { createWebhooksCommand } from './webhooks.ts';
import { exitCodes, exitCodesHelp, reportError, writeErrorJson } from './command-errors.ts';
import { createServeCommand } from './serve.ts';

/** Runs the command line with these arguments in this process, and returns its exit code. Errors are printed. */
export async function runProgram(args: readonly string[]): Promise<number> {
  const asJson = args.includes('--json');
  let outputError: Error | undefined;
  let command: Command | undefined;
  const onOutputError = (error: Error) => {
    if (outputError !== undefined) return;
    outputError = error;
    // The reader of the output may close it early, as `head` does, when it has what it wants.
    if (isClosedPipe(error)) return;
    void reportError(new OperatorError(`Cannot write to standard output: ${error.message}`), asJson);
    process.exitCode = exitCodes.failed;
  };
  process.stdout.on('error', onOutputError);
  try {
    await createProgram(asJson)
      .hook('preAction', (_program, action) => void (command = action))
      .parseAsync(args, { from: 'user' });
  } catch (error) {
    // A closed reader has cut off the output, such as an export, which would not be a backup.
    if (outputError !== undefined && isClosedPipe(error)) return exitCodes.failed;
    const isReported = error instanceof CommanderError || error === outputError;
    if (!isReported) await reportError(error, asJson, command);
    return exitCodeOf(error);
  }
  return Number(process.exitCode ?? exitCodes.done);
}

function createProgram(asJson: boolean): Command {
  const program = new Command('group-api')
    .description(
      'Run and manage a group-api server. All commands read the same settings, from the environment or .env',
    )
    .version(readVersion())
    .addCommand(createServeCommand())
    .addCommand(createMigrateCommand())
    .addCommand(createDoctorCommand())
    .addCommand(createRepairDatesCommand())
    .addCommand(createBackupCommand())
    .addCommand(createRestoreCommand())
    .addCommand(createPartitionsCommand())
    .addCommand(createGroupsCommand())
    .addCommand(createSubscribersCommand())
    .addCommand(createServiceGroupsCommand())
    .addCommand(createAuditCommand())
    .addCommand(createEventsCommand())
    .addCommand(createAccountsCommand())
    .addCommand(createNumberGroupsCommand())
    .addCommand(createWebhooksCommand())
    .addCommand(createRadiusCommand())
    .addHelpText(
      'after',
      '\nExamples:\n  group-api serve\n  group-api groups list\n  group-api groups delete --help',
    );
  for (const command of [program, ...listCommands(program)]) configureCommand(command, asJson);
  return program;
}

function readVersion(): string {
  const file = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(file) as { version: string }).version;
}

function isClosedPipe(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'EPIPE';
}

/** Configures what all commands share: exit codes, and the format of usage errors. */
function configureCommand(command: Command, asJson: boolean): void {
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
