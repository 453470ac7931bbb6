import type { EventFilter } from './event-filter.ts';
import type { EventType } from './event-types.ts';
import type { Event } from './event.ts';

/**
 * Creates a set of listeners, indexed by the types of their filters: a page of events costs as much as there are
 * listeners to its types, whatever the number of others.
 */
export function createListenerIndex<Listener extends { readonly filter: EventFilter }>() {
  const listeners = new Set<Listener>();
  const byType = new Map<EventType, Set<Listener>>();

  return {
    count: () => listeners.size,
    all: (): ReadonlySet<Listener> => listeners,

    add(listener: Listener): void {
      listeners.add(listener);
      for (const type of listener.filter.types) {
        const ofType = byType.get(type);
        if (ofType) ofType.add(listener);
        else byType.set(type, new Set([listener]));
      }
    },

    /** Returns false if the listener is not in the index. */
    remove(listener: Listener): boolean {
      for (const type of listener.filter.types) {
        const ofType = byType.get(type);
        if (ofType?.delete(listener) && ofType.size === 0) byType.delete(type);
      }
      return listeners.delete(listener);
    },

    /** Removes and returns all listeners. */
    clear(): readonly Listener[] {
      const removed = [...listeners];
      listeners.clear();
      byType.clear();
      return removed;
    },

    /** Returns the types that have listeners. */
    types: (): ReadonlySet<EventType> => new Set(byType.keys()),

    hasType: (type: EventType): boolean => byType.has(type),

    /** Returns the listeners of which an event matches the filter, and those to types other than `readTypes`. */
    find(events: readonly Event[], readTypes: ReadonlySet<EventType>): ReadonlySet<Listener> {
      const groupIds = new Map<EventType, Set<number>>();
      for (const event of events) {
        const ofType = groupIds.get(event.type) ?? new Set();
        groupIds.set(event.type, ofType);
        for (const id of event.groupIds) ofType.add(id);
      }
      const matching = new Set<Listener>();
      for (const [type, ofType] of byType) {
        const ids = groupIds.get(type);
        if (!readTypes.has(type)) for (const listener of ofType) matching.add(listener);
        else if (ids)
          for (const listener of ofType)
            if (!listener.filter.groupIds || intersects(listener.filter.groupIds, ids))
              matching.add(listener);
      }
      return matching;
    },
  };
}

function intersects<Item>(one: ReadonlySet<Item>, other: ReadonlySet<Item>): boolean {
  const [smaller, larger] = one.size < other.size ? [one, other] : [other, one];
  for (const item of smaller) if (larger.has(item)) return true;
  return false;
}
