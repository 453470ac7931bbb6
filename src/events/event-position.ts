/**
 * A place in the event feed: after the event with this index of an audit event. `index` is `Infinity` after all of
 * its events. Positions are ordered by the audit event's id, then by the index.
 */
export type EventPosition = {
  readonly auditId: bigint;
  /** The time of the audit event, in milliseconds since 1970; 0 for the position before all audit events. */
  readonly atMs: number;
  readonly index: number;
};

/**
 * Returns the id of the event at a position, which is also the cursor from which to continue after the event. The time
 * is part of it, since a database that has lost its last transactions (asynchronous replication, a restore) gives their
 * ids to others.
 */
export function formatEventId({ auditId, atMs, index }: EventPosition): string {
  return `${auditId}-${index}-${atMs}`;
}

/** Returns the position of an event; undefined if the text is not the id of an event. */
export function parseEventId(text: string): EventPosition | undefined {
  const [, auditId, index, atMs] = /^(\d{1,18})-(\d{1,6})-(\d{1,15})$/.exec(text) ?? [];
  if (auditId === undefined) return undefined;
  return { auditId: BigInt(auditId), index: Number(index), atMs: Number(atMs) };
}

/** Returns whether a position is after another. */
export function isAfter(one: EventPosition, other: EventPosition): boolean {
  return one.auditId === other.auditId ? one.index > other.index : one.auditId > other.auditId;
}
