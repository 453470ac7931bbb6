import { Command } from 'commander';
import { OperatorError } from '../errors.ts';
import { parseGroupId } from '../groups/group.ts';
import { exportGroups } from '../transfer/export-groups.ts';
import { openOutputFile } from './output-file.ts';
import { print } from './output.ts';
import { createProgress } from './progress.ts';
import { readNumber } from './read-number.ts';
import { withDatabase } from './command-context.ts';

type ExportOptions = { id: string[]; force?: true; json?: true };

/** `group-api groups export`: a file that `groups import` takes. */
export function createExportCommand(): Command {
  return new Command('export')
    .description('Write service groups, groups, subscribers and deleted groups to a file, as of one moment')
    .argument('[file]', 'where to, as lines of JSON; "-" or none: standard output')
    .option(
      '--id <ids>',
      'only these groups, with what belongs to them: a list with commas, or repeated',
      collect,
      [],
    )
    .option('--force', 'replace the file where it exists')
    .option('--json', 'print JSON: how many there were. Only with a file')
    .addHelpText(
      'after',
      `
The file has the usernames of subscribers: only its owner may read it.

Examples:
  group-api groups export plans.ndjson
  group-api groups export --id 7,9 two-plans.ndjson
  group-api groups export | gzip > plans.ndjson.gz`,
    )
    .action(exportToFile);
}

async function exportToFile(file: string | undefined, options: ExportOptions): Promise<void> {
  const ids = options.id.map((id) => parseGroupId(readNumber(id), '--id'));
  const isStandardOutput = file === undefined || file === '-';
  if (isStandardOutput && options.json)
    throw new OperatorError('--json needs a file: standard output has the records');
  const output = isStandardOutput ? undefined : await openOutputFile(file, options.force ?? false);
  const progress = createProgress('Exported');
  try {
    const counts = await withDatabase(({ prisma, signal }) =>
      exportGroups(
        prisma,
        {
          ids: ids.length > 0 ? [...new Set(ids)] : undefined,
          onProgress: (count) => progress.report(count),
          signal,
        },
        output?.stream ?? process.stdout,
      ),
    );
    await output?.finish();
    progress.end();
    const { serviceGroups, groups, subscribers, deletedGroups } = counts;
    const text = `Exported ${serviceGroups} service groups, ${groups} groups, ${subscribers} subscribers and ${deletedGroups} deleted groups to ${file}`;
    if (output) print(options.json, { file, ...counts }, text);
  } catch (error) {
    progress.end();
    await output?.discard();
    throw output ? output.explain(error) : error;
  }
}

/** A list with commas, as far as it was read before. */
function collect(text: string, before: readonly string[]): string[] {
  return [...before, ...text.split(',').map((each) => each.trim())];
}
