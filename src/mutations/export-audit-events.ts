import { Readable, type Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { RowJson } from '../database/row-json.ts';
import { removeTimeLimits } from '../database/time-limits.ts';
import type { PrismaClient } from '../generated/prisma/client.ts';
import { parseAuditEvent } from './audit-events.ts';
import type { Transaction } from './mutation-runner.ts';

/** Which events to export, with a callback for the progress. */
type AuditExportRequest = {
  /** Inclusive; undefined: from the first event. */
  readonly from: Date | undefined;
  /** Exclusive; undefined: to the last event. */
  readonly to: Date | undefined;
  readonly onProgress: (eventCount: number) => void;
  /** Aborts the export. */
  readonly signal?: AbortSignal;
};

/** Long enough for a slow reader. */
const transactionTimeoutMs = 24 * 60 * 60 * 1000;
const connectionWaitMs = 3000;

/**
 * Writes the audit events of a time, sorted by id, to `destination`, each as one line of JSON with the fields of the
 * API, and returns their number. Applies backpressure, and keeps one batch of events in memory.
 * @throws any error of the destination.
 */
export async function exportAuditEvents(
  prisma: PrismaClient,
  { from, to, onProgress, signal }: AuditExportRequest,
  destination: Writable,
): Promise<number> {
  let count = 0;
  const writePieces = async function* (transaction: Transaction) {
    await transaction.$executeRaw`
      DECLARE events NO SCROLL CURSOR FOR SELECT id, to_jsonb(audit_events) AS row FROM audit_events
      WHERE at >= ${from?.toISOString() ?? '-infinity'}::timestamptz AND at < ${to?.toISOString() ?? 'infinity'}::timestamptz
      ORDER BY id`;
    for (;;) {
      // FETCH accepts no parameters, hence the literal.
      const rows = await transaction.$queryRaw<{ id: bigint; row: RowJson }[]>`FETCH 1000 FROM events`;
      if (rows.length === 0) return;
      yield rows.map((row) => writeLine(parseAuditEvent(row))).join('');
      onProgress((count += rows.length));
    }
  };
  await prisma.$transaction(
    async (transaction) => {
      await transaction.$executeRaw`SET TRANSACTION READ ONLY`;
      await transaction.$queryRawUnsafe(removeTimeLimits);
      // One piece is a batch; the next one is read while one is written.
      const pieces = Readable.from(writePieces(transaction), { highWaterMark: 1 });
      await pipeline(pieces, destination, { ...(signal && { signal }) });
    },
    { timeout: transactionTimeoutMs, maxWait: connectionWaitMs },
  );
  return count;
}

/** Ids are texts, as in the API, since they may exceed the range of a JSON number. */
function writeLine({ id, ...event }: ReturnType<typeof parseAuditEvent>): string {
  return `${JSON.stringify({ id: String(id), ...event })}\n`;
}
