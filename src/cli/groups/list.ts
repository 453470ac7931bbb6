import { Command, Option } from 'commander';
import type { GroupOrderField } from '../../groups/group-search.ts';
import { withDatabase } from '../command-context.ts';
import { addPageOptions, printPage, type PageOptions } from '../pages.ts';
import { readBoolean, readNumber } from '../read-values.ts';
import type { GroupDescription } from './describe-groups.ts';

type ListOptions = PageOptions & {
  text?: string;
  tagName?: string;
  serviceGroup?: string;
  minPrice?: string;
  maxPrice?: string;
  minDuration?: string;
  maxDuration?: string;
  hidden?: string;
  retired?: string | true;
  orderBy?: keyof typeof orders;
  descending?: true;
};

const orders = {
  id: 'ID',
  name: 'NAME',
  price: 'PRICE',
  duration: 'DURATION',
  'created-at': 'CREATED_AT',
} as const satisfies Record<string, GroupOrderField>;

/** `group-api groups list`: lists one page of the groups. */
export function createListCommand(): Command {
  const command = new Command('list')
    .description('List groups, a page at a time')
    .option('--text <text>', 'only groups with this text in the name, description or tag name')
    .option('--tag-name <tagName>', 'only groups with exactly this tag name')
    .option('--service-group <id>', 'only groups of this service group')
    .option('--min-price <price>', 'only groups with this price or a higher one')
    .option('--max-price <price>', 'only groups with this price or a lower one')
    .option('--min-duration <days>', 'only groups with at least this duration')
    .option('--max-duration <days>', 'only groups with at most this duration')
    .option('--hidden <true|false>', 'only hidden groups, or only those offered at registration')
    .option('--retired [true|false]', 'only retired groups, or only those that are not retired')
    .addOption(new Option('--order-by <field>', 'sort order (default: id)').choices(Object.keys(orders)))
    .option('--descending', 'sort in descending order');
  return addPageOptions(command, 'the groups')
    .addHelpText(
      'after',
      `
Examples:
  group-api groups list
  group-api groups list --service-group 1 --first 200
  group-api groups list --hidden false --order-by price --descending
  group-api groups list --retired
  group-api groups list --text month --json`,
    )
    .action((options: ListOptions) => listGroups(options, command));
}

async function listGroups(options: ListOptions, command: Command): Promise<void> {
  const { formatGroupCursor, parseGroupSearch } = await import('../../groups/group-search.ts');
  const { describeGroups } = await import('./describe-groups.ts');
  const { text, tagName, minPrice, maxPrice, after } = options;
  const search = parseGroupSearch({
    filter: {
      text,
      tagName,
      serviceGroupId: readNumber(options.serviceGroup),
      minPrice,
      maxPrice,
      minDuration: readNumber(options.minDuration),
      maxDuration: readNumber(options.maxDuration),
      hidden: readBoolean(options.hidden),
      isRetired: options.retired === true ? true : readBoolean(options.retired),
    },
    orderBy: {
      field: orders[options.orderBy ?? 'id'],
      direction: options.descending ? 'DESC' : 'ASC',
    },
    first: readNumber(options.first),
    after,
  });
  await withDatabase(async (repositories) => {
    const { nodes, hasNextPage } = await repositories.groups.search(search);
    const last = nodes.at(-1);
    const endCursor = last ? formatGroupCursor(last, search.field) : null;
    const items = await describeGroups(nodes, repositories);
    const head = ['ID', 'NAME', 'TAG', 'DAYS', 'PRICE', 'SERVICE GROUP', 'SUBSCRIBERS', 'FLAGS'];
    const page = { items, hasNextPage, endCursor, count: () => repositories.groups.count(search) };
    await printPage(command, 'groups', page, head, items.map(toCells));
  });
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

function describeFlags(group: GroupDescription): string {
  const { hidden, protected: isProtected, isRetired } = group;
  const flags = [hidden && 'hidden', isProtected && 'protected', isRetired && 'retired'];
  return flags.filter((flag) => flag !== false).join(',');
}
