import type { EventPosition } from '../event-position.ts';

/** Formats the position after all events of an audit event, where each page of the feed ends. */
export function formatFeedCursor({ auditId, atMs }: EventPosition): string {
  return `${auditId}-${atMs}`;
}

/** Parses what `formatFeedCursor` returns. */
export function parseFeedCursor(cursor: string): EventPosition {
  const [auditId, atMs] = cursor.split('-');
  return { auditId: BigInt(auditId!), atMs: Number(atMs), index: Infinity };
}
