import { setTimeout as sleep } from 'node:timers/promises';
import type { AuditFilter } from '../../mutations/audit-event-search.ts';
import type { AuditEvent } from '../../mutations/audit-events.ts';
import { withDatabase } from '../command-context.ts';
import { retryMs, retryWhileUnavailable, writeLines } from '../follow-output.ts';
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
    const read = retryWhileUnavailable(() => follower.next());
    while (!stop.aborted) {
      const next = await read();
      await writeLines((next?.events ?? []).map(format), stop);
      if (!next?.hasMore)
        await sleep(next ? intervalMs : retryMs, undefined, { signal: stop }).catch(() => undefined);
    }
  });
}
