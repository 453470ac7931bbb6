import { Command } from 'commander';
import { print } from './output.ts';
import { withDatabase } from './command-context.ts';

/** `group-api migrate`: the tables of this version. */
export function createMigrateCommand(): Command {
  return new Command('migrate')
    .description('Bring the database to this version, as the start of a server does')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
It runs as the user of DATABASE_URL, who must own the database where something is to be done.

Examples:
  group-api migrate
  DATABASE_URL=postgresql://owner@db/groups group-api migrate --json`,
    )
    .action(migrateDatabase);
}

async function migrateDatabase({ json }: { json?: true }): Promise<void> {
  await withDatabase(async ({ migrations, description }) => {
    const text =
      migrations.length > 0
        ? `Applied to ${description}: ${migrations.join(', ')}`
        : `Nothing to do: ${description} is at this version`;
    print(json, { database: description, applied: migrations }, text);
  });
}
