#!/usr/bin/env node
import { Command } from 'commander';
import { AppError, StartError } from '../errors.ts';
import { createAccountsCommand } from './accounts.ts';
import { createNumberGroupsCommand } from './number-groups.ts';

// The command line. The server itself is main.ts.
const program = new Command('group-api')
  .description(
    'Manages a group-api server. It reads the same settings as the server, from the environment or .env',
  )
  .addCommand(createAccountsCommand())
  .addCommand(createNumberGroupsCommand())
  .showHelpAfterError('(--help tells more)');

try {
  await program.parseAsync();
} catch (error) {
  // What a person can put right is a line; a fault of ours shows where it came from.
  const isPlanned = error instanceof AppError || error instanceof StartError;
  const text = isPlanned ? error.message : ((error as Error).stack ?? String(error));
  process.stderr.write(text.replace(/^/gm, 'group-api: ') + '\n');
  process.exitCode = 1;
}
