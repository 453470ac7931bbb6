import { setTimeout as sleep } from 'node:timers/promises';
import { Command } from 'commander';
import type { Event } from '../events/event.ts';
import { AppError } from '../errors.ts';
import { withDatabase } from './command-context.ts';
import { retryMs, retryWhileUnavailable, writeLines } from './follow-output.ts';
import { collectItems } from './list-options.ts';

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
    .option(
      '--type <type>',
      'only events of these types, such as group.deleted; comma-separated or repeated',
      collectItems,
    )
    .option('--json', 'print each event as a line of JSON, as a webhook receives it')
    .addHelpText(
      'after',
      `
docs/events.md describes the types. Events can be read for seven days.

Examples:
  group-api events
  group-api events --type group.deleted,group.restored --json
  group-api events --json --after 1042-0-1795685400000`,
    )
    .action(followEvents);
}

async function followEvents({ after, type, json }: EventsOptions): Promise<void> {
  const { createEventFeed } = await import('../events/event-feed.ts');
  const { parseEventTypes } = await import('../events/parse-event-types.ts');
  const types = type?.length ? new Set(parseEventTypes(type, 'type')) : undefined;
  const format = json ? toJsonLine : toTextLine;
  await withDatabase(async ({ prisma, signal }) => {
    const closed = new AbortController();
    const stop = AbortSignal.any([signal, closed.signal]);
    process.stdout.once('error', () => closed.abort());
    const feed = createEventFeed(prisma);
    let position = after === undefined ? await feed.findEnd() : await feed.find(after);
    const read = retryWhileUnavailable(() => feed.read(position, types));
    while (!stop.aborted) {
      const page = await read();
      if (page?.isLost) throw lostEvents();
      position = page?.position ?? position;
      await writeLines((page?.events ?? []).map(format), stop);
      if (!page?.hasMore)
        await sleep(page ? pollMs : retryMs, undefined, { signal: stop }).catch(() => undefined);
    }
  });
}

function lostEvents(): AppError {
  return new AppError(
    'NOT_FOUND',
    'The database has lost its last transactions, of which events may have been printed. Read the groups again, and ' +
      'start the command without --after',
  );
}

function toJsonLine({ type, timestamp, data }: Event): string {
  return JSON.stringify({ type, timestamp, data });
}

function toTextLine({ id, type, timestamp, data, groupIds }: Event): string {
  const groups = groupIds.length > 0 ? `group ${groupIds.join(', ')}` : '';
  return [timestamp, id.padEnd(24), type.padEnd(24), data.account.padEnd(20), groups].join('  ').trimEnd();
}
