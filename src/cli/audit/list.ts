import { Command, Option } from 'commander';
import { withDatabase } from '../command-context.ts';
import { addPageOptions, printPage, type PageOptions } from '../pages.ts';
import { readDate, readNumber } from '../read-values.ts';

type ListOptions = PageOptions & {
  group?: string;
  target?: string;
  account?: string;
  operation?: string;
  outcome?: string;
  errorCode?: string;
  requestId?: string;
  since?: string;
  until?: string;
  follow?: true;
};

/** `group-api audit list`: lists one page of the audit log, or prints its events as they are written. */
export function createListCommand(): Command {
  const command = new Command('list')
    .description('List the audit log, latest first, a page at a time; or follow it')
    .addOption(new Option('--group <id>', 'only calls with this group id as a target').conflicts('target'))
    .option('--target <id>', 'only calls with this target, such as a username of an account')
    .option('--account <name>', 'only calls of this account; commands have command-line:<user>')
    .option('--operation <name>', 'only calls of this mutation or command, such as deleteGroup')
    .addOption(
      new Option('--outcome <outcome>', 'only calls with this outcome').choices([
        'done',
        'refused',
        'dry-run',
        'replayed',
      ]),
    )
    .option('--error-code <code>', 'only calls that failed with this code')
    .option('--request-id <id>', 'only calls of this request')
    .option('--since <date>', 'only events since this date, such as 2030-01-01 or 2030-01-01T12:00:00Z')
    .option('--until <date>', 'only events before this date')
    .addOption(
      new Option('--follow', 'print new events, oldest first, until Ctrl-C or another stop signal').conflicts(
        ['first', 'after', 'count', 'until'],
      ),
    );
  return addPageOptions(command, 'the events')
    .addHelpText(
      'after',
      `
--follow starts with the next event, or with the first one since --since. With --json it prints one event a line.
A service group may have the same id as a group: --operation separates their calls. The operation of a command is its
name, such as 'groups delete'; the deleted groups, and who deleted them: group-api groups deleted.

Examples:
  group-api audit list --group 7
  group-api audit list --account shop --since 2026-11-01 --first 200 --json
  group-api audit list --operation 'groups delete' --follow`,
    )
    .action((options: ListOptions) => listEvents(options, command));
}

async function listEvents(options: ListOptions, command: Command): Promise<void> {
  const { formatAuditCursor, parseAuditSearch } = await import('../../mutations/audit-event-search.ts');
  const { describeEvent, eventCells, eventColumns } = await import('./describe-event.ts');
  const search = parseAuditSearch({
    filter: await readFilter(options),
    first: readNumber(options.first),
    after: options.after ?? null,
  });
  if (options.follow) {
    const { followEvents } = await import('./follow.ts');
    return followEvents(search.filter, options.json);
  }
  return withDatabase(async ({ audit }) => {
    const { nodes, hasNextPage } = await audit.search(search);
    const last = nodes.at(-1);
    const page = {
      items: nodes.map(describeEvent),
      hasNextPage,
      endCursor: last ? formatAuditCursor(last) : null,
      count: () => audit.count(search),
    };
    const head = eventColumns.map(([name]) => name);
    await printPage(command, 'auditEvents', page, head, nodes.map(eventCells));
  });
}

/** Returns the filter of the API that the options describe. */
async function readFilter(options: ListOptions): Promise<object> {
  const { parseGroupId } = await import('../../groups/group.ts');
  const { group, target, account, operation, outcome, errorCode, requestId } = options;
  return {
    from: readDate(options.since, '--since'),
    to: readDate(options.until, '--until'),
    account,
    operation,
    targetId: group === undefined ? target : String(parseGroupId(readNumber(group), '--group')),
    outcome,
    errorCode,
    requestId,
  };
}
