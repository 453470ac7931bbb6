import { createReadStream } from 'node:fs';
import { access, constants, stat } from 'node:fs/promises';
import { addAbortSignal, type Readable } from 'node:stream';
import { Command } from 'commander';
import { OperatorError } from '../errors.ts';
import { importGroups, type ImportCounts } from '../transfer/import-groups.ts';
import { print } from './output.ts';
import { createProgress } from './progress.ts';
import { createCommandCall, recorded, withDatabase } from './command-context.ts';

type ImportOptions = { dryRun?: boolean; json?: true };

/** `group-api groups import`: takes what `groups export` has written. */
export function createImportCommand(): Command {
  return new Command('import')
    .description(
      'Take the records of an exported file, all of them or none. Nothing is overwritten but sample data',
    )
    .argument('<file>', 'a file of `groups export`; "-": standard input')
    .option('--dry-run', 'do it all, and take it back')
    .option('--json', 'print JSON: how many were added, restored and unchanged')
    .addHelpText(
      'after',
      `
Ids stay as they are. What is there with the same content stays; a deleted group with the same content is restored; anything else
that is in the way refuses the import. Sample groups that nobody has changed give way, to a whole export all of them. Other writers wait meanwhile, for as long as the file takes to come.

Examples:
  group-api groups import plans.ndjson --dry-run
  gunzip -c plans.ndjson.gz | group-api groups import - --json`,
    )
    .action(importFile);
}

async function importFile(file: string, { dryRun = false, json }: ImportOptions): Promise<void> {
  await requireReadable(file);
  const progress = createProgress('Imported');
  try {
    const counts = await withDatabase(({ recorder, signal }) => {
      const call = createCommandCall('groups import', [], { isDryRun: dryRun });
      const source = {
        open: () => addAbortSignal(signal, openInput(file)),
        onProgress: (count: number) => progress.report(count),
      };
      return recorded(recorder, call, () => importGroups(recorder, source, call));
    });
    progress.end();
    print(json, { ...counts, isDryRun: dryRun }, describeImport(counts, dryRun));
  } catch (error) {
    progress.end();
    throw error;
  }
}

function openInput(file: string): Readable {
  return file === '-' ? process.stdin : createReadStream(file);
}

/** @throws OperatorError */
async function requireReadable(file: string): Promise<void> {
  if (file === '-') {
    if (process.stdin.isTTY)
      throw new OperatorError('Standard input is a terminal: give a file, or send one by a pipe');
    return;
  }
  try {
    await access(file, constants.R_OK);
    if ((await stat(file)).isDirectory()) throw new Error('it is a folder');
  } catch (error) {
    throw new OperatorError(`${file} cannot be read: ${(error as Error).message}`);
  }
}

function describeImport(counts: ImportCounts, isDryRun: boolean): string {
  const names = {
    serviceGroups: 'service groups',
    groups: 'groups',
    subscribers: 'subscribers',
    deletedGroups: 'deleted groups',
  } as const;
  const lines = (['serviceGroups', 'groups', 'subscribers', 'deletedGroups'] as const).map((kind) => {
    const { added, restored, unchanged } = counts[kind];
    const back = kind === 'groups' ? `, ${restored} restored` : '';
    return `${names[kind]}: ${added} added${back}, ${unchanged} unchanged`;
  });
  const samples = counts.samplesRemoved;
  if (samples) {
    lines.push(
      `sample data that nobody had changed was removed: ${samples.serviceGroups} service groups, ${samples.groups} groups, ` +
        `${samples.deletedGroups} deleted groups`,
    );
  }
  return [...(isDryRun ? ['A dry run: nothing was changed. It would be'] : []), ...lines].join('\n');
}
