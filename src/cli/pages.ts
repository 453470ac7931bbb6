import type { Command } from 'commander';
import type { TotalCount } from '../validation/total-count.ts';
import { formatTable, print } from './output.ts';

/** The options of a command that lists a page; `parsePageSize` and the list's cursor parser validate them. */
export type PageOptions = { first?: string; after?: string; count?: true; json?: true };

/** A page of a list: its items as the API returns them, and the cursor of the last one. */
type Page = {
  readonly items: readonly unknown[];
  readonly hasNextPage: boolean;
  readonly endCursor: string | null;
  /** Counts the items on all pages; called with --count only. */
  readonly count: () => Promise<TotalCount>;
};

/** Adds the options of a page to a command that lists `items`, such as "the groups". */
export function addPageOptions(command: Command, items: string): Command {
  return command
    .option('--first <count>', 'page size, 1 to 200 (default: 50)')
    .option('--after <cursor>', 'continue after this cursor, from the end of the previous page')
    .option('--count', 'count the items on all pages, too')
    .option('--json', `print JSON: ${items} as the API returns them, and the cursor of the next page`);
}

/** Prints a page: as JSON, with the items as `name`; or as a table, with the command for the next page. */
export async function printPage(
  command: Command,
  name: string,
  { items, hasNextPage, endCursor, count }: Page,
  head: readonly string[],
  rows: readonly (readonly string[])[],
): Promise<void> {
  const options = command.opts<PageOptions>();
  const counted = options.count ? await count() : undefined;
  const total = counted ? `\n\nOn all pages: ${describeCount(counted)}` : '';
  const next = hasNextPage && endCursor !== null ? `\n\nNext page: ${nextCommand(command, endCursor)}` : '';
  const value = { [name]: items, pageInfo: { hasNextPage, endCursor }, ...counted };
  print(options.json, value, formatTable(head, rows) + total + next);
}

function describeCount({ totalCount, totalCountIsExact }: TotalCount): string {
  return totalCountIsExact ? String(totalCount) : `more than ${totalCount}`;
}

/** Returns the command line for the page after the cursor, quoted for a shell. */
function nextCommand(command: Command, cursor: string): string {
  const path: string[] = [];
  for (let named: Command | null = command; named; named = named.parent) path.unshift(named.name());
  const values: [string, unknown][] = command.options
    .map((option) => [option.attributeName(), option.long!] as const)
    .filter(([name]) => name !== 'after' && command.getOptionValueSource(name) === 'cli')
    .map(([name, option]) => [option, command.getOptionValue(name)]);
  const options = [...values, ['--after', cursor] as const].flatMap(([option, value]) =>
    value === true ? [option] : [option, quote(String(value))],
  );
  return [...path, ...command.args.map(quote), ...options].join(' ');
}

function quote(value: string): string {
  return /^[\w.-]+$/.test(value) ? value : `'${value.replaceAll("'", `'\\''`)}'`;
}
