import type { Event } from '../events/event.ts';

/** What RADIUS reads of a plan, with the id of its group. */
export type PlanValues = {
  readonly id: number;
  readonly usernamePostfix: string | null;
  readonly dailyBandwidth: string;
  readonly downloadUpload: string;
  readonly ip: string | null;
  readonly multiLoginCount: number;
};

/** The plans of groups that exist or are in the archive, by their ids. */
export type Plans = ReadonlyMap<number, PlanValues>;

/** What an event means for open sessions. The statement of the fan-out finds them, and compares the plans. */
export type SessionChange = {
  readonly eventId: string;
  readonly eventType: string;
  /** In the format of `toISOString()`. */
  readonly eventAt: string;
  /**
   * Whose sessions: of `username`; of the subscribers that the event moved; or of those of the group `groupId`.
   */
  readonly of: 'subscriber' | 'moved' | 'group';
  readonly username: string | null;
  /** The start of the subscription of `username`. */
  readonly startsAt: string | null;
  readonly groupId: number;
  /** What may follow the username in the user names of the sessions: the postfixes of the plan before the event. */
  readonly postfixes: readonly string[];
  /** The plans before and after the event; null if there is none, or if it is not known. */
  readonly before: PlanValues | null;
  readonly after: PlanValues | null;
  /** Whether the sessions must end, whatever the attributes of the plans are. */
  readonly mustDisconnect: boolean;
  /** The number of sessions that a user may have, if that was lowered: the later ones end. */
  readonly loginLimit: number | null;
};

/** Returns the ids of the groups whose plans `toSessionChanges` needs. */
export function findPlanIds(events: readonly Event[]): number[] {
  const ids = events.flatMap(({ type, data }) => {
    switch (type) {
      case 'subscriber.removed':
        return [data['groupId']];
      case 'group.subscribers_moved':
        return data['movedCount'] === 0 ? [] : [data['from'], data['to']];
      case 'group.deleted':
        return [data['movedTo']];
      case 'group.restored':
        return [data['movedFrom']];
      default:
        return [];
    }
  });
  return [...new Set(ids.filter((id): id is number => typeof id === 'number'))];
}

/** Returns what events mean for open sessions, in their order; nothing for most of them. */
export function toSessionChanges(events: readonly Event[], plans: Plans): SessionChange[] {
  const postfixes = trackPostfixes(events, plans);
  return events.flatMap((event): SessionChange[] => {
    const { id: eventId, type: eventType, timestamp: eventAt, data } = event;
    const base = { eventId, eventType, eventAt, username: null, startsAt: null };
    const change = (of: 'moved' | 'group', groupId: number, before?: PlanValues, after?: PlanValues) => ({
      ...base,
      of,
      groupId,
      postfixes: postfixes.of(groupId),
      ...comparePlans(before, after),
    });
    const move = (from: number, to: number, before?: PlanValues, after?: PlanValues) => {
      const moved = change('moved', from, before, after);
      postfixes.add(to, moved.postfixes);
      return [moved];
    };
    switch (eventType) {
      case 'subscriber.removed': {
        const groupId = data['groupId'] as number;
        const { username, startsAt } = data as unknown as { username: string; startsAt: string };
        const names = { username, startsAt, groupId, postfixes: postfixes.of(groupId) };
        return [{ ...base, of: 'subscriber', ...names, ...comparePlans(undefined, undefined) }];
      }
      case 'group.subscribers_moved': {
        if (data['movedCount'] === 0) return [];
        const [from, to] = [data['from'] as number, data['to'] as number];
        return move(from, to, plans.get(from), plans.get(to));
      }
      case 'group.deleted': {
        const group = data['group'] as PlanValues;
        const target = data['movedTo'];
        return typeof target === 'number' ? move(group.id, target, group, plans.get(target)) : [];
      }
      case 'group.restored': {
        const group = data['group'] as PlanValues;
        const origin = data['movedFrom'];
        return typeof origin === 'number' ? move(origin, group.id, plans.get(origin), group) : [];
      }
      case 'group.edited': {
        const [before, group] = [data['before'] as PlanValues, data['group'] as PlanValues];
        if (values.every((name) => before[name] === group[name])) return [];
        const edited = change('group', group.id, before, group);
        postfixes.add(group.id, [postfixOf(group)]);
        return [edited];
      }
      default:
        return [];
    }
  });
}

/** Other changes of a group change nothing that RADIUS reads. */
const values = ['usernamePostfix', 'dailyBandwidth', 'downloadUpload', 'ip', 'multiLoginCount'] as const;

/**
 * Tracks the postfixes of groups through the events of a page. Nothing has been sent yet for the events before one, so
 * that the sessions of a group's subscribers may still have the user names from before an edit or a move.
 */
function trackPostfixes(events: readonly Event[], plans: Plans) {
  const postfixes = new Map<number, Set<string>>();
  // The plan that was read is that after all events. The first event that has the plan before it is the right one.
  for (const { type, data } of events.toReversed()) {
    const before = (type === 'group.edited' ? data['before'] : type === 'group.deleted' && data['group']) as
      PlanValues | false;
    if (before) postfixes.set(before.id, new Set([postfixOf(before)]));
  }
  const setOf = (groupId: number) => {
    const set = postfixes.get(groupId) ?? new Set([postfixOf(plans.get(groupId))]);
    postfixes.set(groupId, set);
    return set;
  };
  return {
    of: (groupId: number) => [...setOf(groupId)],
    add(groupId: number, added: readonly string[]) {
      for (const postfix of added) setOf(groupId).add(postfix);
    },
  };
}

function comparePlans(before: PlanValues | undefined, after: PlanValues | undefined) {
  if (!before || !after) return { before: null, after: null, mustDisconnect: true, loginLimit: null };
  const mustDisconnect = postfixOf(before) !== postfixOf(after);
  return { before, after, mustDisconnect, loginLimit: findLoweredLimit(before, after) };
}

/** 0 is no limit. */
function findLoweredLimit(before: PlanValues, after: PlanValues): number | null {
  const isLowered =
    after.multiLoginCount > 0 &&
    (before.multiLoginCount === 0 || after.multiLoginCount < before.multiLoginCount);
  return isLowered ? after.multiLoginCount : null;
}

function postfixOf(plan: PlanValues | undefined): string {
  return plan?.usernamePostfix ?? '';
}
