import { createReadStream } from 'node:fs';
import { access, constants, stat } from 'node:fs/promises';
import { addAbortSignal, type Readable } from 'node:stream';
import { Command } from 'commander';
import { OperatorError } from '../../errors.ts';
import type { ImportCounts } from '../../transfer/import-groups.ts';
import { print } from '../output.ts';
import { createProgress } from '../progress.ts';
import { createCommandCall, auditedCommand, withDatabase } from '../command-context.ts';

type ImportOptions = { dryRun?: boolean; json?: true };

/** `group-api groups import`: imports a file of `groups export`. */
export function createImportCommand(): Command {
  return new Command('import')
    .description('Import an exported file atomically. Only sample data is overwritten')
    .argument('<file>', 'file of `groups export`; "-": standard input')
    .option('--dry-run', 'run and roll back')
    .option(
      '--json',
      'print JSON: for each kind, the number of records added, restored and unchanged; the samples removed, if any; and isDryRun',
    )
    .addHelpText(
      'after',
      `
Ids are preserved. Identical existing records are left unchanged; identical deleted groups are restored; any other conflict
rejects the import. Unchanged sample groups are replaced; a complete export removes all of them.
Writes to these tables block until the import finishes.

Examples:
  group-api groups import plans.ndjson --dry-run
  gunzip -c plans.ndjson.gz | group-api groups import - --json`,
    )
    .action(importFile);
}

async function importFile(file: string, { dryRun = false, json }: ImportOptions): Promise<void> {
  await requireReadable(file);
  const { importGroups } = await import('../../transfer/import-groups.ts');
  const progress = createProgress('Imported');
  try {
    const counts = await withDatabase(({ mutations, signal }) => {
      const call = createCommandCall('groups import', [], { isDryRun: dryRun });
      const source = {
        open: () => addAbortSignal(signal, openInput(file)),
        onProgress: (count: number) => progress.report(count),
      };
      return auditedCommand(mutations, call, () => importGroups(mutations, source, call));
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
      throw new OperatorError('Standard input is a terminal: pass a file, or pipe one to the command');
    return;
  }
  try {
    await access(file, constants.R_OK);
    if ((await stat(file)).isDirectory()) throw new Error('is a folder');
  } catch (error) {
    throw new OperatorError(`Cannot read ${file}: ${(error as Error).message}`);
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
      `unchanged sample data removed: ${samples.serviceGroups} service groups, ${samples.groups} groups, ` +
        `${samples.deletedGroups} deleted groups`,
    );
  }
  return [...(isDryRun ? ['Dry run: nothing was changed. The import would be'] : []), ...lines].join('\n');
}
