import type { Event } from '../events/event.ts';

/** What RADIUS reads of a plan. */
export type PlanValues = {
  readonly usernamePostfix: string | null;
  readonly dailyBandwidth: string;
  readonly downloadUpload: string;
  readonly ip: string | null;
  readonly multiLoginCount: number;
};

/** The plans of groups that exist or are in the archive, by their ids. */
export type Plans = ReadonlyMap<number, PlanValues>;

/** What an event means for open sessions. The statement of the fan-out finds them. */
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
  /** What follows the username in the user names of the sessions: that of the plan before the event. */
  readonly postfix: string;
  /** Whether the sessions must end; otherwise a CoA-Request may change them. */
  readonly mustDisconnect: boolean;
  /** Whether all of the sessions are concerned; otherwise those above `loginLimit` only. */
  readonly isForAll: boolean;
  /** The number of sessions that a user may have, if that was lowered: the later ones end. */
  readonly loginLimit: number | null;
};

type Comparison = Pick<SessionChange, 'mustDisconnect' | 'isForAll' | 'loginLimit'>;

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
  return events.flatMap((event): SessionChange[] => {
    const { id: eventId, type: eventType, timestamp: eventAt, data } = event;
    const base = { eventId, eventType, eventAt, username: null, startsAt: null };
    const move = (groupId: number, before: PlanValues | undefined, after: PlanValues | undefined) => [
      { ...base, of: 'moved' as const, groupId, postfix: postfixOf(before), ...compareMove(before, after) },
    ];
    switch (eventType) {
      case 'subscriber.removed': {
        const groupId = data['groupId'] as number;
        const { username, startsAt } = data as unknown as { username: string; startsAt: string };
        const postfix = postfixOf(plans.get(groupId));
        return [{ ...base, of: 'subscriber', username, startsAt, groupId, postfix, ...endsAll }];
      }
      case 'group.subscribers_moved': {
        if (data['movedCount'] === 0) return [];
        const from = data['from'] as number;
        return move(from, plans.get(from), plans.get(data['to'] as number));
      }
      case 'group.deleted': {
        const group = data['group'] as PlanValues & { id: number };
        const target = data['movedTo'];
        return typeof target === 'number' ? move(group.id, group, plans.get(target)) : [];
      }
      case 'group.restored': {
        const group = data['group'] as PlanValues & { id: number };
        const origin = data['movedFrom'];
        return typeof origin === 'number' ? move(origin, plans.get(origin), group) : [];
      }
      case 'group.edited': {
        const group = data['group'] as PlanValues & { id: number };
        const before = data['before'] as PlanValues;
        const change = compareEdit(before, group);
        if (!change.isForAll && change.loginLimit === null) return [];
        return [{ ...base, of: 'group', groupId: group.id, postfix: postfixOf(before), ...change }];
      }
      default:
        return [];
    }
  });
}

const endsAll: Comparison = { mustDisconnect: true, isForAll: true, loginLimit: null };

/**
 * A CoA-Request changes the speed and the end of a session. Its user name and its address stay the same until it ends,
 * and the quota is a matter of the RADIUS server, which applies it to the next session.
 */
function compareEdit(before: PlanValues, after: PlanValues): Comparison {
  const mustDisconnect =
    postfixOf(before) !== postfixOf(after) ||
    before.dailyBandwidth !== after.dailyBandwidth ||
    before.ip !== after.ip;
  return {
    mustDisconnect,
    isForAll: mustDisconnect || before.downloadUpload !== after.downloadUpload,
    loginLimit: findLoweredLimit(before, after),
  };
}

/** The name of an address pool is that of the group: two groups with the same block have different pools. */
function compareMove(before: PlanValues | undefined, after: PlanValues | undefined): Comparison {
  if (!before || !after) return endsAll;
  const { mustDisconnect, loginLimit } = compareEdit(before, after);
  return { mustDisconnect: mustDisconnect || (after.ip?.includes('/') ?? false), isForAll: true, loginLimit };
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
