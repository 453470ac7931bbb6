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

    /** Returns the listeners whose filter matches one of the events. */
    find(events: readonly Event[]): ReadonlySet<Listener> {
      const groupIdsByType = new Map<EventType, Set<number>>();
      for (const { type, groupIds } of events) {
        const ids = groupIdsByType.get(type);
        if (ids) for (const id of groupIds) ids.add(id);
        else groupIdsByType.set(type, new Set(groupIds));
      }
      const matching = new Set<Listener>();
      for (const [type, ids] of groupIdsByType) {
        for (const listener of byType.get(type) ?? []) {
          const wanted = listener.filter.groupIds;
          if (!wanted || intersects(wanted, ids)) matching.add(listener);
        }
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
