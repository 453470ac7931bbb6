import type { AuditEvent } from '../../mutations/audit-events.ts';

/** The columns of a table of events, and their width if the events are not known yet. */
export const eventColumns = [
  ['ID', 8],
  ['AT', 24],
  ['ACCOUNT', 20],
  ['OPERATION', 22],
  ['TARGETS', 10],
  ['OUTCOME', 8],
  ['ERROR', 22],
  ['REASON', 0],
] as const;

/** The maximum number of targets in a table; a delete may have a thousand. */
const maxTargets = 5;

/** Describes an event as the API does: its id may exceed the range of a JSON number. */
export function describeEvent(event: AuditEvent) {
  return { ...event, id: String(event.id) };
}

/** Returns the cells of an event in a table. */
export function eventCells(event: AuditEvent): string[] {
  const { id, at, account, operation, targetIds, outcome, errorCode, reason } = event;
  const more = targetIds.length > maxTargets ? [`and ${targetIds.length - maxTargets} more`] : [];
  const targets = [...targetIds.slice(0, maxTargets), ...more].join(' ');
  return [String(id), at.toISOString(), account, operation, targets, outcome, errorCode ?? '', reason ?? ''];
}
