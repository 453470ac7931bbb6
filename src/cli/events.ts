import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { Command } from 'commander';
import type { Event } from '../events/event-types.ts';
import { withDatabase } from './command-context.ts';

type EventsOptions = { readonly after?: string; readonly type?: string[]; readonly json?: true };

/** How often the feed is read. */
const pollMs = 500;

/** `group-api events`: prints the events as they are committed. */
export function createEventsCommand(): Command {
  return new Command('events')
    .description(
      'Print executed changes as they are committed, oldest first, until Ctrl-C or another stop signal',
    )
    .option('--after <id>', 'start after the event with this id; default: with the next event')
    .option('--type <type>', 'only events of this type, such as group.deleted; repeatable', collect)
    .option('--json', 'print each event as a line of JSON, as a webhook receives it')
    .addHelpText(
      'after',
      `
docs/events.md describes the types. Events can be read for seven days.

Examples:
  group-api events
  group-api events --type group.deleted --type group.restored --json
  group-api events --json --after 1042-0-1795685400000`,
    )
    .action(followEvents);
}

function collect(value: string, values: readonly string[] = []): string[] {
  return [...values, value];
}

async function followEvents({ after, type: types, json }: EventsOptions): Promise<void> {
  const { createEventFeed } = await import('../events/event-feed.ts');
  const { parseEventTypes } = await import('../events/event-filter.ts');
  const accepted = parseEventTypes(types, '--type');
  const format = json ? toJsonLine : toTextLine;
  await withDatabase(async ({ prisma, signal }) => {
    const closed = new AbortController();
    const stop = AbortSignal.any([signal, closed.signal]);
    process.stdout.once('error', () => closed.abort());
    const feed = createEventFeed(prisma);
    let position = after === undefined ? await feed.findEnd() : await feed.find(after);
    while (!stop.aborted) {
      const page = await feed.read(position);
      position = page.position;
      const events = page.events.filter(({ type }) => accepted?.has(type) ?? true);
      const hasSpace = events.length === 0 || process.stdout.write(events.map(format).join(''));
      if (!hasSpace) await once(process.stdout, 'drain', { signal: stop }).catch(() => undefined);
      if (!page.hasMore) await sleep(pollMs, undefined, { signal: stop }).catch(() => undefined);
    }
  });
}

function toJsonLine({ type, timestamp, data }: Event): string {
  return `${JSON.stringify({ type, timestamp, data })}\n`;
}

function toTextLine({ id, type, timestamp, data, groupIds }: Event): string {
  const groups = groupIds.length > 0 ? `group ${groupIds.join(', ')}` : '';
  return `${[timestamp, id.padEnd(24), type.padEnd(24), data.account.padEnd(20), groups].join('  ').trimEnd()}\n`;
}
