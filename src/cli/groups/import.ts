import { addAbortSignal } from 'node:stream';
import { Command } from 'commander';
import { OperatorError, OutcomeUnknownError } from '../../errors.ts';
import type { ImportCounts } from '../../transfer/import-groups.ts';
import type { NewIdMaps } from '../../transfer/new-ids.ts';
import { openNewIdsFile, printWithNewIds } from './new-ids-output.ts';
import { openInputFile, requireReadable } from '../input-file.ts';
import { print } from '../output.ts';
import { createProgress } from '../progress.ts';
import { createCommandCall, auditedCommand, withDatabase } from '../command-context.ts';

type ImportOptions = { dryRun?: boolean; newIds?: true; map?: string; force?: true; json?: true };

/** `group-api groups import`: imports a file of `groups export`. */
export function createImportCommand(): Command {
  return new Command('import')
    .description('Import an exported file atomically. Only sample data is overwritten')
    .argument('<file>', 'file of `groups export`; "-": standard input')
    .option('--dry-run', 'run and roll back; the --map file is not written')
    .option(
      '--new-ids',
      'give all records of the file new ids, so that nothing conflicts; prints the new ids',
    )
    .option('--map <file>', 'with --new-ids: also write the new ids to this file, as .csv or .json')
    .option('--force', 'replace an existing --map file')
    .option(
      '--json',
      'print JSON: for each kind, the number of records added, restored and unchanged; the samples removed, if any; isDryRun; and with --new-ids, newIdCounts, the number of new ids by kind, and newIds, the new id by the id in the file by kind',
    )
    .addHelpText(
      'after',
      `
Ids are preserved. Identical existing records are left unchanged; identical deleted groups are restored; any other conflict
rejects the import. Unchanged sample groups are replaced; a complete export removes all of them.
Writes to these tables block until the import finishes.

With --new-ids, groups, deleted groups and service groups get ids after the last ones of this database, and what refers to
them follows. A service group that this database has with the same name, description, language and discount is reused. Existing
records, samples included, stay as they are. Importing the same file again adds its groups again.
A map in CSV has the columns kind (serviceGroup, group or deletedGroup), oldId and newId; in JSON, the form of newIds above.

Examples:
  group-api groups import plans.ndjson --dry-run
  group-api groups import plans.ndjson --new-ids --map plans-ids.csv
  group-api groups import plans.ndjson --new-ids --json | jq '.newIds.groups["7"]'
  gunzip -c plans.ndjson.gz | group-api groups import - --json`,
    )
    .action(importFile);
}

async function importFile(file: string, options: ImportOptions): Promise<void> {
  const { dryRun: isDryRun = false, json } = options;
  requireNewIdsForMap(options);
  await requireReadable(file);
  const { importGroups } = await import('../../transfer/import-groups.ts');
  const mapFile =
    options.map === undefined ? undefined : await openNewIdsFile(options.map, options.force ?? false);
  const progress = createProgress('Imported');
  let newIds: NewIdMaps | undefined;
  const onNewIds = async (maps: NewIdMaps) => {
    newIds = maps;
    if (!isDryRun) await mapFile?.write(maps);
  };
  const runImport = () =>
    withDatabase(({ mutations, signal }) => {
      const call = createCommandCall('groups import', [], { isDryRun });
      const source = {
        open: () => addAbortSignal(signal, openInputFile(file)),
        onProgress: (count: number) => progress.report(count),
        onNewIds: options.newIds && onNewIds,
      };
      return auditedCommand(mutations, call, () => importGroups(mutations, source, call));
    });
  const counts = await runImport()
    .catch(async (error: unknown) => {
      // An import that may be done needs its map: nothing else has the new ids.
      if (error instanceof OutcomeUnknownError) await mapFile?.finish().catch(() => undefined);
      else await mapFile?.discard();
      throw error;
    })
    .finally(() => progress.end());
  try {
    const text = describeImport(counts, isDryRun);
    if (newIds) await printWithNewIds(json, { ...counts, isDryRun }, text, newIds);
    else print(json, { ...counts, isDryRun }, text);
  } finally {
    if (isDryRun) await mapFile?.discard();
    else await mapFile?.finish();
  }
}

/** @throws OperatorError */
function requireNewIdsForMap({ newIds, map, force }: ImportOptions): void {
  if (map !== undefined && !newIds) throw new OperatorError('--map requires --new-ids');
  if (force && map === undefined)
    throw new OperatorError('--force requires --map: it replaces a map file. Imports never replace records');
}

function describeImport(counts: ImportCounts, isDryRun: boolean): string {
  const names = {
    serviceGroups: 'service groups',
    groups: 'groups',
    subscribers: 'subscribers',
    deletedGroups: 'deleted groups',
    formerSubscribers: 'former subscribers',
  } as const;
  const lines = (Object.keys(names) as (keyof typeof names)[]).map((kind) => {
    const { added, restored, unchanged } = counts[kind];
    const back = kind === 'groups' ? `, ${restored} restored` : '';
    return `${names[kind]}: ${added} added${back}, ${unchanged} unchanged`;
  });
  const samples = counts.samplesRemoved;
  if (samples) {
    lines.push(
      `unchanged sample data removed: ${samples.serviceGroups} service groups, ${samples.groups} groups, ` +
        `${samples.deletedGroups} deleted groups`,
    );
  }
  return [...(isDryRun ? ['Dry run: nothing was changed. The import would be'] : []), ...lines].join('\n');
}
