import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { AppError } from '../../errors.ts';
import type { AuditFilter } from '../../mutations/audit-event-search.ts';
import type { AuditEvent } from '../../mutations/audit-events.ts';
import type { AuditFollower } from '../../mutations/audit-follower.ts';
import { withDatabase } from '../command-context.ts';
import { formatRow } from '../output.ts';
import { describeEvent, eventCells, eventColumns } from './describe-event.ts';

const intervalMs = 1000;
const widths = eventColumns.map(([, width]) => width);

/**
 * Prints events that match the filter as they are written: a table, or a line of JSON each. Returns at a stop signal,
 * and when the reader of the output closes it. While the database is unavailable, it tries again every second.
 */
export async function followEvents(filter: AuditFilter, asJson: true | undefined): Promise<void> {
  const { followAuditLog } = await import('../../mutations/audit-follower.ts');
  await withDatabase(async ({ audit, signal }) => {
    const closed = new AbortController();
    const stop = AbortSignal.any([signal, closed.signal]);
    process.stdout.once('error', () => closed.abort());
    const follower = await followAuditLog(audit, filter);
    if (!asJson)
      await writeLines(
        [
          formatRow(
            eventColumns.map(([name]) => name),
            widths,
          ),
        ],
        stop,
      );
    const format = asJson
      ? (event: AuditEvent) => JSON.stringify(describeEvent(event))
      : (event: AuditEvent) => formatRow(eventCells(event), widths);
    const read = createEventReader(follower);
    while (!stop.aborted) {
      const { events, hasMore } = await read();
      await writeLines(events.map(format), stop);
      if (!hasMore) await sleep(intervalMs, undefined, { signal: stop }).catch(() => undefined);
    }
  });
}

/** Returns what reads the next events: none while the database is unavailable, which it reports once. */
function createEventReader(follower: AuditFollower): AuditFollower['next'] {
  let isReported = false;
  return async () => {
    try {
      const next = await follower.next();
      isReported = false;
      return next;
    } catch (error) {
      if (!(error instanceof AppError) || error.code !== 'SERVICE_UNAVAILABLE') throw error;
      if (!isReported)
        process.stderr.write('group-api: The database is unavailable: retrying every second\n');
      isReported = true;
      return { events: [], hasMore: false };
    }
  };
}

/** Waits for a slow reader of the output, so that events do not pile up in memory. */
async function writeLines(lines: readonly string[], stop: AbortSignal): Promise<void> {
  if (lines.length === 0 || stop.aborted) return;
  const hasSpace = process.stdout.write(lines.map((line) => `${line}\n`).join(''));
  if (!hasSpace) await once(process.stdout, 'drain', { signal: stop }).catch(() => undefined);
}
