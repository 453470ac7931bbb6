import type { EventPosition } from './event-position.ts';

/** Formats the position after all events of an audit event, where each page of the feed ends. */
export function formatFeedCursor({ auditId, atMs }: EventPosition): string {
  return `${auditId}-${atMs}`;
}

/**
 * Parses what `formatFeedCursor` returns. The erasure of a username adds a third part, which changes nothing but the
 * text, so that a page that was read before is read again.
 */
export function parseFeedCursor(cursor: string): EventPosition {
  const [auditId, atMs] = cursor.split('-');
  return { auditId: BigInt(auditId!), atMs: Number(atMs), index: Infinity };
}
