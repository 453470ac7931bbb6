import { Command } from 'commander';
import { print } from './output.ts';
import { withDatabase } from './command-context.ts';

/** `group-api migrate`: applies the migrations of this version. */
export function createMigrateCommand(): Command {
  return new Command('migrate')
    .description('Apply pending migrations, as the start of a server does')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
Runs as the user of DATABASE_URL, who must own the database if migrations are pending. What takes long
is reported on standard error.

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
        : `Nothing to do: ${description} is up to date`;
    print(json, { database: description, applied: migrations }, text);
  }, writeLine);
}

function writeLine(line: string): void {
  process.stderr.write(`${line}\n`);
}
