import { Command } from 'commander';
import { print, writeLine } from './output.ts';
import { withDatabase } from './command-context.ts';

/** `group-api migrate`: applies the migrations of this version. */
export function createMigrateCommand(): Command {
  return new Command('migrate')
    .description('Apply pending migrations, as the start of a server does')
    .option('--grant-to <role>', 'then grant this role the privileges of a server; it must exist')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
Runs as the user of DATABASE_URL, who must own the database if migrations are pending. What takes long
is reported on standard error.

Examples:
  group-api migrate
  DATABASE_URL=postgresql://owner@db/groups group-api migrate --grant-to group_api --json`,
    )
    .action(migrateDatabase);
}

type MigrateOptions = { readonly grantTo?: string; readonly json?: true };

async function migrateDatabase({ grantTo, json }: MigrateOptions): Promise<void> {
  const { grantPrivileges } = await import('./grant-privileges.ts');
  await withDatabase(async ({ prisma, migrations, description }) => {
    if (grantTo !== undefined) await grantPrivileges(prisma, grantTo);
    const text =
      migrations.length > 0
        ? `Applied to ${description}: ${migrations.join(', ')}`
        : `Nothing to do: ${description} is up to date`;
    const granted = grantTo === undefined ? '' : `\nGranted to ${grantTo}: the privileges of a server`;
    print(json, { database: description, applied: migrations, grantedTo: grantTo ?? null }, text + granted);
  }, writeLine);
}
