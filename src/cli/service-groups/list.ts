import { Command } from 'commander';
import { withDatabase } from '../command-context.ts';
import { formatTable, print } from '../output.ts';

/** `group-api service-groups list`: lists all service groups. */
export function createListCommand(): Command {
  return new Command('list')
    .description('List all service groups by id')
    .option('--json', 'print JSON: the service groups as the API returns them')
    .addHelpText(
      'after',
      '\nExamples:\n  group-api service-groups list\n  group-api service-groups list --json',
    )
    .action(listServiceGroups);
}

async function listServiceGroups({ json }: { json?: true }): Promise<void> {
  const rows = await withDatabase(({ serviceGroups }) => serviceGroups.list());
  const cells = rows.map(({ id, name, language, discount, description }) => [
    String(id),
    name,
    language ?? '',
    String(discount),
    description,
  ]);
  print(json, rows, formatTable(['ID', 'NAME', 'LANGUAGE', 'DISCOUNT', 'DESCRIPTION'], cells));
}
