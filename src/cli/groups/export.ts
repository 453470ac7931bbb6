import { Command } from 'commander';
import { OperatorError } from '../../errors.ts';
import { collectItems } from '../list-options.ts';
import { openOutputFile } from '../output-file.ts';
import { print } from '../output.ts';
import { createProgress } from '../progress.ts';
import { readNumber } from '../read-values.ts';
import { withDatabase } from '../command-context.ts';

type ExportOptions = { id?: string[]; force?: true; json?: true };

/** `group-api groups export`: writes a file for `groups import`. */
export function createExportCommand(): Command {
  return new Command('export')
    .description(
      'Export a consistent snapshot of service groups, groups, deleted groups, and subscribers, past and present',
    )
    .argument('[file]', 'output file, as lines of JSON; "-" or omitted: standard output')
    .option(
      '--id <ids>',
      'only these groups, with their subscribers and service groups; comma-separated or repeated',
      collectItems,
    )
    .option('--force', 'replace an existing file')
    .option('--json', 'print JSON: the file and the number of records of each kind; requires a file')
    .addHelpText(
      'after',
      `
The file contains the usernames of subscribers: it is readable by its owner only.

Examples:
  group-api groups export plans.ndjson
  group-api groups export --id 7,9 two-plans.ndjson
  group-api groups export | gzip > plans.ndjson.gz`,
    )
    .action(exportToFile);
}

async function exportToFile(file: string | undefined, options: ExportOptions): Promise<void> {
  const { parseGroupId } = await import('../../groups/group.ts');
  const { exportGroups } = await import('../../transfer/export-groups.ts');
  const ids = options.id?.map((id) => parseGroupId(readNumber(id), '--id'));
  // All groups would be exported, which a script with an empty variable did not ask for.
  if (ids?.length === 0) throw new OperatorError('--id requires at least one group id');
  const isStandardOutput = file === undefined || file === '-';
  if (isStandardOutput && options.json)
    throw new OperatorError('--json requires a file: the records go to standard output');
  const output = isStandardOutput ? undefined : await openOutputFile(file, options.force ?? false);
  const progress = createProgress('Exported');
  try {
    const counts = await withDatabase(({ prisma, signal }) =>
      exportGroups(
        prisma,
        {
          ids: ids && [...new Set(ids)],
          onProgress: (count) => progress.report(count),
          signal,
        },
        output?.stream ?? process.stdout,
      ),
    );
    await output?.finish();
    progress.end();
    const { serviceGroups, groups, subscribers, deletedGroups, formerSubscribers } = counts;
    const text = `Exported ${serviceGroups} service groups, ${groups} groups, ${subscribers} subscribers, ${deletedGroups} deleted groups and ${formerSubscribers} former subscribers to ${file}`;
    if (output) print(options.json, { file, ...counts }, text);
  } catch (error) {
    progress.end();
    await output?.discard();
    throw output ? output.explain(error) : error;
  }
}
