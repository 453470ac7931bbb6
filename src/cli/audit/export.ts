import { Command } from 'commander';
import { withDatabase } from '../command-context.ts';
import { openOutputFile } from '../output-file.ts';
import { OperatorError } from '../../errors.ts';
import { formatCount, print } from '../output.ts';
import { createProgress } from '../progress.ts';
import { readDate } from '../read-values.ts';

type ExportOptions = { since?: string; until?: string; force?: true; json?: true };

/** `group-api audit export`: writes the audit events of a time to a file, before they are dropped. */
export function createAuditExportCommand(): Command {
  return new Command('export')
    .description('Export the audit events of a time, one line of JSON each, sorted by id')
    .argument('[file]', 'output file; "-" or omitted: standard output')
    .option('--since <date>', 'only events since this date, such as 2030-01-01 or 2030-01-01T12:00:00Z')
    .option('--until <date>', 'only events before this date')
    .option('--force', 'replace an existing file')
    .option('--json', 'print JSON: the file and the number of events; requires a file')
    .addHelpText(
      'after',
      `
Each line has the fields of the API. The file appears once it is complete; on standard output, the exit code shows it.

Examples:
  group-api audit export --since 2026-01-01 --until 2027-01-01 audit-2026.ndjson
  group-api audit export --until 2027-01-01 | gzip > audit.ndjson.gz`,
    )
    .action(exportToFile);
}

async function exportToFile(file: string | undefined, options: ExportOptions): Promise<void> {
  const { exportAuditEvents } = await import('../../mutations/export-audit-events.ts');
  const from = readDate(options.since, '--since');
  const to = readDate(options.until, '--until');
  const isStandardOutput = file === undefined || file === '-';
  if (isStandardOutput && options.json)
    throw new OperatorError('--json requires a file: the events go to standard output');
  const output = isStandardOutput ? undefined : await openOutputFile(file, options.force ?? false);
  const progress = createProgress('Exported');
  try {
    const count = await withDatabase(({ prisma, signal }) =>
      exportAuditEvents(
        prisma,
        { from, to, onProgress: (exported) => progress.report(exported), signal },
        output?.stream ?? process.stdout,
      ),
    );
    await output?.finish();
    progress.end();
    if (output)
      print(options.json, { file, events: count }, `Exported ${formatCount(count, 'event')} to ${file}`);
  } catch (error) {
    progress.end();
    await output?.discard();
    throw output ? output.explain(error) : error;
  }
}
