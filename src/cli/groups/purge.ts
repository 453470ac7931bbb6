import { Command } from 'commander';
import { AppError } from '../../errors.ts';
import { withDatabase } from '../command-context.ts';
import { formatTable, print } from '../output.ts';
import { confirm } from '../prompts.ts';
import { readNumber } from '../read-values.ts';
import { changeEach } from './change-each.ts';

type PurgeOptions = { yes?: true; json?: true };

/** `group-api groups purge`: permanently removes deleted groups before their retention expires. */
export function createPurgeCommand(): Command {
  return new Command('purge')
    .description('Permanently remove deleted groups from the archive, one after the other')
    .argument('<id...>', '1 to 1000 ids of deleted groups')
    .option('--yes', 'skip the confirmation')
    .option('--json', 'print JSON: the deleted groups as the API returns them')
    .addHelpText(
      'after',
      `
A purged group cannot be restored. A group that cannot be purged is reported; the others are purged.

Examples:
  group-api groups purge 7
  group-api groups purge 7 9 10 --yes --json`,
    )
    .action(purgeGroups);
}

async function purgeGroups(idArguments: string[], { yes, json }: PurgeOptions): Promise<void> {
  const { parseGroupIds } = await import('../../group-deletion/parse-group-ids.ts');
  const { describeGroupResult } = await import('./describe-groups.ts');
  const ids = parseGroupIds(idArguments.map(readNumber));
  const subject = ids.length === 1 ? `the deleted group ${ids[0]}` : `these ${ids.length} deleted groups`;
  if (!yes && process.stdin.isTTY) process.stderr.write(`${await describeArchived(ids)}\n`);
  await confirm(`Remove ${subject} permanently?`, yes, 'Nothing was purged');
  const { results, error } = await changeEach('groups purge', ids, (id, call, { deletedGroups }) =>
    deletedGroups.purge(id, call),
  );
  if (results.length > 0) {
    const described = results.map((deleted) => ({ ...deleted, group: describeGroupResult(deleted.group) }));
    const lines = results.map(({ id, group }) => `Purged group ${id}: ${group.name}`);
    print(json, { deletedGroups: described }, lines.join('\n'));
  }
  if (error !== undefined) throw error;
}

/** Describes the groups to purge, for the confirmation. */
async function describeArchived(ids: readonly number[]): Promise<string> {
  const rows = await withDatabase(async ({ deletedGroups }) => {
    const cells: string[][] = [];
    for (const id of ids) {
      const deleted = await deletedGroups.get(id).catch((error: unknown) => {
        if (error instanceof AppError && error.code === 'NOT_FOUND') return null;
        throw error;
      });
      cells.push([String(id), deleted?.group.name ?? '', deleted?.deletedAt.toISOString() ?? 'not deleted']);
    }
    return cells;
  });
  return formatTable(['ID', 'NAME', 'DELETED'], rows);
}
