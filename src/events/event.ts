import type { AuditEvent } from '../mutations/audit-events.ts';
import type { Fields } from './event-contents.ts';
import { formatEventId, type EventPosition } from './event-position.ts';
import { eventTypeNames, eventTypes, type EventDescription, type EventType } from './event-types.ts';

const typeByOperation = new Map(
  eventTypeNames.flatMap((type) =>
    eventTypes[type].operations.map((operation) => [operation, type] as const),
  ),
);

/** The operations of the audit log whose executed calls are events. */
export const eventOperations: readonly string[] = [...typeByOperation.keys()];

/** Returns the type of the events of an operation of the audit log, if it has one. */
export function typeOfOperation(operation: string): EventType | undefined {
  return typeByOperation.get(operation);
}

/** Returns the operations whose executed calls are events of these types. */
export function operationsOf(types: Iterable<EventType>): string[] {
  return [...types].flatMap((type) => eventTypes[type].operations);
}

/** An event for receivers: `type`, `timestamp` and `data` are the body of a webhook. */
export type Event = {
  readonly id: string;
  readonly type: EventType;
  /** When the transaction of the change began, in UTC with milliseconds. */
  readonly timestamp: string;
  readonly data: Fields & {
    readonly id: string;
    readonly account: string;
    readonly requestId: string;
  };
  /** The groups that the event is about, for filters. Not sent. */
  readonly groupIds: readonly number[];
  /** Not sent: `id` is the same as a text. */
  readonly position: EventPosition;
};

/**
 * Returns the events of an audit event, in the order of their index: none if its call was not executed, or if its
 * operation has no type.
 */
export function eventsOf(auditEvent: AuditEvent): Event[] {
  const type = typeOfOperation(auditEvent.operation);
  if (type === undefined || auditEvent.outcome !== 'done') return [];
  const { id: auditId, at, account, requestId } = auditEvent;
  const { contents }: EventDescription = eventTypes[type];
  return contents(auditEvent).map(({ data, groupIds }, index) => {
    const position = { auditId, atMs: at.getTime(), index };
    const id = formatEventId(position);
    const timestamp = at.toISOString();
    return { id, type, timestamp, data: { id, account, requestId, ...data }, groupIds, position };
  });
}
