import { Command } from 'commander';
import type { DeletedNumberGroup } from '../autodialer/number-groups/archive.ts';
import { parseNumberGroupId, type NumberGroup } from '../autodialer/number-groups/number-group.ts';
import { formatTable, print } from './output.ts';
import { createCommandCall, runMutation, withDatabase } from './command-context.ts';

const maxListed = 1000;

/** `group-api number-groups …`: lists and restores number groups that were removed through the autodialer's API. */
export function createNumberGroupsCommand(): Command {
  const numberGroups = new Command('number-groups')
    .description("Manage the autodialer's number groups")
    .addHelpText('after', '\nExample:\n  group-api number-groups removed');

  numberGroups
    .command('removed')
    .description(`List removed groups that can be restored, the latest ${maxListed}`)
    .option('--json', 'print JSON')
    .addHelpText('after', `\nExample:\n  group-api number-groups removed --json`)
    .action(listRemoved);

  numberGroups
    .command('restore')
    .description('Restore a removed group with its id and its numbers')
    .argument('<_id>', 'id of the removed group, 24 hexadecimal digits')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExample:\n  group-api number-groups restore 6033876dc92de036d1390923')
    .action(restore);

  return numberGroups;
}

async function listRemoved({ json }: { json?: true }): Promise<void> {
  const { createDeletedNumberGroupRepository } = await import('../autodialer/number-groups/archive.ts');
  const groups = await withDatabase(({ prisma, mutations }) =>
    createDeletedNumberGroupRepository(prisma, mutations).deletedNumberGroups(maxListed),
  );
  const head = ['_ID', 'NAME', 'COUNT', 'REMOVED', 'BY', 'UNTIL'];
  print(json, groups.map(describeRemoved), formatTable(head, groups.map(toCells)));
}

async function restore(idArgument: string, { json }: { json?: true }): Promise<void> {
  const id = parseNumberGroupId(idArgument, '_id');
  const { createDeletedNumberGroupRepository } = await import('../autodialer/number-groups/archive.ts');
  const call = createCommandCall('number-groups restore', [id]);
  const group = await runMutation(call, ({ prisma, mutations }) =>
    createDeletedNumberGroupRepository(prisma, mutations).restoreNumberGroup(id, call),
  );
  print(json, describe(group), `Restored number group ${id}: ${group.name}, ${group.count} numbers`);
}

function describe({ id, name, description, count, createdAt }: NumberGroup) {
  return { _id: id, name, description, count, createdAt };
}

function describeRemoved(group: DeletedNumberGroup) {
  const { deletedAt, deletedBy, purgeAt } = group;
  return { ...describe(group), deletedAt, deletedBy, purgeAt };
}

function toCells({ id, name, count, deletedAt, deletedBy, purgeAt }: DeletedNumberGroup): string[] {
  return [id, name, String(count), deletedAt.toISOString(), deletedBy, purgeAt.toISOString()];
}
