import { Command } from 'commander';
import type { BackupReader } from '../backup/read-backup.ts';
import { describeBackup, summarize } from './backup.ts';
import type { BackupSummary } from '../backup/write-backup.ts';
import { OperatorError } from '../errors.ts';
import { createCommandCall, withDatabase, type CommandDatabase } from './command-context.ts';
import { withConnection } from './connection-context.ts';
import { openInputFile, requireReadable } from './input-file.ts';
import { print, writeLine } from './output.ts';
import { createProgress } from './progress.ts';

type RestoreOptions = { json?: true };

/** `group-api restore`: restores a file of `backup` into an empty database. */
export function createRestoreCommand(): Command {
  return new Command('restore')
    .description('Restore a file of `backup` into an empty database, all or nothing')
    .argument('<file>', 'file of `backup`; "-": standard input')
    .option('--json', 'print JSON: the database, the migrations applied, and rows and SHA-256 of each table')
    .addHelpText(
      'after',
      `
Run it before the first start of a server, which fills an empty database. The database may be of either kind, embedded or
of DATABASE_URL, whichever kind the backup is from, and need not have tables yet. Runs as the owner of the database. Checksums are
verified before anything is committed: of a damaged file nothing is restored. A backup of an older version is migrated.

Examples:
  DATA_DIR=./restored group-api restore plans.backup
  DATABASE_URL=postgresql://owner@db/empty group-api restore plans.backup --json
  ssh backup@other 'cat plans.backup' | group-api restore -`,
    )
    .action(restore);
}

async function restore(file: string, { json }: RestoreOptions): Promise<void> {
  await requireReadable(file);
  const { openBackup } = await import('../backup/read-backup.ts');
  const { requireKnownMigrations } = await import('../backup/restore-backup.ts');
  const backup = await openBackup(openInputFile(file));
  try {
    await requireKnownMigrations(backup.header);
    await restoreAndMigrate(file, backup, json);
  } finally {
    backup.close();
  }
}

async function restoreAndMigrate(file: string, backup: BackupReader, json: true | undefined): Promise<void> {
  const { restoreBackup } = await import('../backup/restore-backup.ts');
  const progress = createProgress('Restored');
  const end = await withConnection({ mustExist: false }, async (connection, signal) => {
    const onProgress = (rowCount: number) => progress.report(rowCount);
    return restoreBackup(connection, backup, { onProgress, signal });
  }).finally(() => progress.end());
  const summary = { header: backup.header, end };
  const { migrations, description } = await completeRestore(summary).catch((error: Error) => {
    throw new OperatorError(
      `The backup is restored, but not its later migrations and the audit event: ${error.message}. Run \`group-api migrate\``,
    );
  });
  const text = describeBackup(summary, `Restored ${file} into ${description}`);
  const migrated = migrations.length > 0 ? `\n\nApplied newer migrations: ${migrations.join(', ')}` : '';
  print(json, { database: description, applied: migrations, ...summarize(summary) }, text + migrated);
}

/** Applies the migrations that are newer than the backup, and writes an audit event of the restore. */
async function completeRestore(summary: BackupSummary): Promise<CommandDatabase> {
  const { createdAt, lastMigration, tables } = summarize(summary);
  const rows = Object.fromEntries(tables.map((table) => [table.name, table.rows]));
  const after = { createdAt, lastMigration, rows };
  // Opening the database migrates it.
  return withDatabase(async (database) => {
    await database.mutations.run(createCommandCall('restore', []), async () => ({ result: null, after }));
    return database;
  }, writeLine);
}
