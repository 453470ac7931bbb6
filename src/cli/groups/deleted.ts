import { Command } from 'commander';
import { OperatorError } from '../../errors.ts';
import { withDatabase } from '../command-context.ts';
import { formatFields, print } from '../output.ts';
import { addPageOptions, printPage, type PageOptions } from '../pages.ts';
import { readNumber } from '../read-values.ts';
import { groupFields, type DeletedGroupDescription } from './describe-groups.ts';

/** `group-api groups deleted`: lists one page of the deleted groups, latest first, or shows one of them. */
export function createDeletedCommand(): Command {
  const command = new Command('deleted')
    .description('List the deleted groups that can be restored, latest first, a page at a time; or show one')
    .argument('[id]', 'show the deleted group with this id');
  return addPageOptions(command, 'the deleted group, or the deleted groups')
    .addHelpText(
      'after',
      `
Examples:
  group-api groups deleted
  group-api groups deleted --first 200 --json
  group-api groups deleted 7`,
    )
    .action(async (id: string | undefined, options: PageOptions) =>
      id === undefined ? listDeleted(options, command) : showDeleted(id, options),
    );
}

async function listDeleted(options: PageOptions, command: Command): Promise<void> {
  const { formatDeletedGroupCursor, parseDeletedGroupPage } = await import('../../groups/archive.ts');
  const { describeDeletedGroups } = await import('./describe-groups.ts');
  const search = parseDeletedGroupPage({
    first: readNumber(options.first),
    ...(options.after !== undefined && { after: options.after }),
  });
  await withDatabase(async (repositories) => {
    const { nodes, hasNextPage } = await repositories.deletedGroups.list(search);
    const last = nodes.at(-1);
    const items = await describeDeletedGroups(nodes, repositories);
    const head = ['ID', 'NAME', 'DELETED', 'BY', 'UNTIL', 'MOVED', 'REASON'];
    const endCursor = last ? formatDeletedGroupCursor(last) : null;
    const count = () => repositories.deletedGroups.count();
    const page = { items, hasNextPage, endCursor, count };
    await printPage(command, 'deletedGroups', page, head, items.map(toCells));
  });
}

async function showDeleted(idArgument: string, { first, after, count, json }: PageOptions): Promise<void> {
  if ((first ?? after ?? count) !== undefined)
    throw new OperatorError('--first, --after and --count are for lists: omit them, or the id');
  const { parseGroupId } = await import('../../groups/group.ts');
  const { describeDeletedGroups } = await import('./describe-groups.ts');
  const id = parseGroupId(readNumber(idArgument));
  await withDatabase(async (repositories) => {
    const [deleted] = await describeDeletedGroups([await repositories.deletedGroups.get(id)], repositories);
    const { group, id: _id, ...deletion } = deleted!;
    print(json, deleted, formatFields([...groupFields(group), ...Object.entries(deletion)]));
  });
}

function toCells(deleted: DeletedGroupDescription): string[] {
  const { id, group, deletedAt, deletedBy, purgeAt, subscribersMoved, reason } = deleted;
  return [
    String(id),
    group.name,
    deletedAt.toISOString(),
    deletedBy,
    purgeAt.toISOString(),
    String(subscribersMoved),
    reason ?? '',
  ];
}
