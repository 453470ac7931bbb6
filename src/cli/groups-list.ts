import { Command } from 'commander';
import type { Group } from '../groups/group.ts';
import type { GroupDescription } from './describe-groups.ts';
import { formatTable, print } from './output.ts';
import { readNumber } from './read-number.ts';
import { withDatabase } from './command-context.ts';

type ListOptions = {
  text?: string;
  tagName?: string;
  serviceGroup?: string;
  first?: string;
  after?: string;
  json?: true;
};

/** `group-api groups list`: lists one page of the groups, by id. */
export function createListCommand(): Command {
  return new Command('list')
    .description('List groups by id, a page at a time')
    .option('--text <text>', 'only groups with this text in the name, description or tag name')
    .option('--tag-name <tagName>', 'only groups with exactly this tag name')
    .option('--service-group <id>', 'only groups of this service group')
    .option('--first <count>', 'page size, 1 to 200 (default: 50)')
    .option('--after <cursor>', 'continue after this cursor, from the end of the previous page')
    .option('--json', 'print JSON: the groups as the API returns them, and the cursor of the next page')
    .addHelpText(
      'after',
      `
Examples:
  group-api groups list
  group-api groups list --service-group 1 --first 200
  group-api groups list --text month --json`,
    )
    .action(listGroups);
}

async function listGroups(options: ListOptions): Promise<void> {
  const { text, tagName, serviceGroup, after, json } = options;
  const { formatGroupCursor, parseGroupSearch } = await import('../groups/group-search.ts');
  const { describeGroups } = await import('./describe-groups.ts');
  const serviceGroupId = readNumber(serviceGroup);
  const search = parseGroupSearch({
    filter: { text, tagName, serviceGroupId },
    first: readNumber(options.first),
    after,
  });
  await withDatabase(async (repositories) => {
    const { nodes, hasNextPage } = await repositories.groups.search(search);
    const last = nodes.at(-1);
    const endCursor = last === undefined ? null : formatGroupCursor(last, search.field);
    const groups = await describeGroups(nodes, repositories);
    const next = hasNextPage ? `\n\nNext page: ${nextCommand(options, endCursor!)}` : '';
    print(json, { groups, pageInfo: { hasNextPage, endCursor } }, writeTable(groups) + next);
  });
}

function writeTable(groups: readonly GroupDescription[]): string {
  const head = ['ID', 'NAME', 'TAG', 'DAYS', 'PRICE', 'SERVICE GROUP', 'SUBSCRIBERS', 'FLAGS'];
  return formatTable(head, groups.map(toCells));
}

function toCells(group: GroupDescription): string[] {
  const { id, name, tagName, duration, price, serviceGroup, subscriberCount } = group;
  const serviceGroupCell = serviceGroup ? `${serviceGroup.id} ${serviceGroup.name}` : '';
  return [
    String(id),
    name,
    tagName,
    String(duration),
    price,
    serviceGroupCell,
    String(subscriberCount),
    describeFlags(group),
  ];
}

function describeFlags(group: Pick<Group, 'hidden' | 'protected'>): string {
  return (['hidden', 'protected'] as const).filter((flag) => group[flag]).join(',');
}

/** Returns the command for the next page, quoted for a shell. */
function nextCommand({ text, tagName, serviceGroup, first }: ListOptions, cursor: string): string {
  const valueByOption = { text, 'tag-name': tagName, 'service-group': serviceGroup, first, after: cursor };
  const options = Object.entries(valueByOption).filter(([, value]) => value !== undefined);
  return ['group-api groups list', ...options.map(([name, value]) => `--${name} ${quote(value!)}`)].join(' ');
}

function quote(value: string): string {
  return /^[\w.-]+$/.test(value) ? value : `'${value.replaceAll("'", `'\\''`)}'`;
}
