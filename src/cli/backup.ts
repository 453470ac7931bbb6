import { Command } from 'commander';
import type { BackupSummary } from '../backup/write-backup.ts';
import { OperatorError } from '../errors.ts';
import { withConnection } from './connection-context.ts';
import { openOutputFile } from './output-file.ts';
import { formatTable, print } from './output.ts';
import { createProgress } from './progress.ts';

type BackupOptions = { force?: true; json?: true };

/** `group-api backup`: writes the whole database to a file for `restore`. */
export function createBackupCommand(): Command {
  return new Command('backup')
    .description('Write everything in the database to one file, while servers continue to run')
    .argument('<file>', 'output file, compressed; "-": standard output')
    .option('--force', 'replace an existing file')
    .option(
      '--json',
      'print JSON: the file, its migrations, and rows and SHA-256 of each table; requires a file',
    )
    .addHelpText(
      'after',
      `
All tables and sequences of one moment, with checksums: groups, subscribers, archive, audit log, accounts. The settings are not
in the database: copy .env, too. The file contains the hashes of keys and passwords: it is readable by its owner only.
Needs the privilege SELECT, which the role of the server has. The database is not migrated.

Examples:
  group-api backup plans.backup
  group-api backup --json plans-$(date +%F).backup
  group-api backup - | ssh backup@other 'cat > plans.backup'`,
    )
    .action(backUp);
}

async function backUp(file: string, options: BackupOptions): Promise<void> {
  const isStandardOutput = file === '-';
  if (isStandardOutput && options.json)
    throw new OperatorError('--json requires a file: the backup goes to standard output');
  if (isStandardOutput && process.stdout.isTTY)
    throw new OperatorError('Standard output is a terminal: pass a file, or redirect the output');
  const { writeBackup } = await import('../backup/write-backup.ts');
  const output = isStandardOutput ? undefined : await openOutputFile(file, options.force ?? false);
  const progress = createProgress('Backed up');
  try {
    const [summary, description] = await withConnection({ mustExist: true }, async (connection, signal) => {
      const onProgress = (rowCount: number) => progress.report(rowCount);
      const destination = output?.stream ?? process.stdout;
      const written = await writeBackup(connection, { onProgress, signal }, destination);
      return [written, connection.description] as const;
    });
    await output?.finish();
    progress.end();
    if (output)
      print(
        options.json,
        { file, database: description, ...summarize(summary) },
        describeBackup(summary, `Backed up ${description} to ${file}`),
      );
  } catch (error) {
    progress.end();
    await output?.discard();
    throw output ? output.explain(error) : error;
  }
}

/** Returns what `--json` prints of a backup. */
export function summarize({ header, end }: BackupSummary) {
  const { createdAt, postgresVersion, migrations } = header;
  return {
    createdAt,
    postgresVersion,
    lastMigration: migrations.at(-1),
    tables: end.tables,
    sha256: end.sha256,
  };
}

/** Returns a backup's origin and its tables as text, below a title. */
export function describeBackup({ header, end }: BackupSummary, title: string): string {
  const { createdAt, postgresVersion, migrations } = header;
  return [
    title,
    `Snapshot of ${createdAt}, PostgreSQL ${postgresVersion}, last migration ${migrations.at(-1)}`,
    '',
    formatTable(
      ['TABLE', 'ROWS'],
      end.tables.map(({ name, rows }) => [name, String(rows)]),
    ),
  ].join('\n');
}
