import type { Scope } from '../accounts/scopes.ts';
import { auditOperations } from '../mutations/audit-operations.ts';
import type { AuditEvent } from '../mutations/audit-events.ts';
import {
  aboutGroup,
  aboutNumberGroup,
  aboutSubscription,
  fieldsOf,
  groupOf,
  identityOf,
  numberGroupOf,
  rowsOf,
  type EventContent,
  type Fields,
} from './event-contents.ts';
import {
  exampleCounts,
  exampleGroup,
  exampleNumberGroup,
  exampleServiceGroup,
  exampleSubscription,
} from './event-examples.ts';

/** The description of a type. */
export type EventDescription = {
  /** When the event occurs, in Markdown: docs/events.md and the descriptions of the API are generated from it. */
  readonly meaning: string;
  /** The operations of the audit log whose executed calls are events of this type: mutations, services and commands. */
  readonly operations: readonly string[];
  /** The scope that an account needs to receive it. */
  readonly scope: Scope;
  /** Returns the contents of the events of one audit event, in a fixed order. */
  readonly contents: (event: AuditEvent) => readonly EventContent[];
  /** The fields of `data` in docs/events.md, in addition to those of each event. */
  readonly example: Fields;
};

/**
 * Every type of event, by its name. The audit log is the source: an executed call is an event, or one for each of its
 * groups, and nothing else is.
 */
export const eventTypes = {
  'group.created': {
    meaning: '`createGroup`: `group` is the new group',
    operations: ['createGroup', 'groups create'],
    scope: 'groups:read',
    contents: ({ after }) => aboutGroup(after),
    example: { group: exampleGroup },
  },
  'group.edited': {
    meaning: '`editGroup`: `group` is the group after the edit, `before` before it',
    operations: ['editGroup', 'groups edit'],
    scope: 'groups:read',
    contents: ({ before, after }) => aboutGroup(after, { before: groupOf(before) }),
    example: { group: { ...exampleGroup, price: '34.90', version: 2 }, before: exampleGroup },
  },
  'group.deleted': {
    meaning:
      '`deleteGroup`, and for each of its groups `deleteGroups`: `group` is the deleted group; `movedTo` is the group to which ' +
      'the delete moved `subscribersMoved` active subscribers, or null',
    operations: ['deleteGroup', 'deleteGroups', 'groups delete'],
    scope: 'groups:read',
    contents: ({ before, after, reason }) => {
      const { moveSubscribersTo = null, subscribersMoved = 0 } = fieldsOf(after);
      const movedTo = subscribersMoved === 0 ? null : moveSubscribersTo;
      return rowsOf(before).flatMap((group) => aboutGroup(group, { reason, subscribersMoved, movedTo }));
    },
    example: { group: exampleGroup, reason: 'replaced by Gold 2027', subscribersMoved: 12, movedTo: 8 },
  },
  'group.restored': {
    meaning:
      '`restoreGroup`: `group` is the restored group; `subscribersMovedBack` active subscribers came back from the group ' +
      '`movedFrom`, which is null if there were none to move',
    operations: ['restoreGroup', 'groups restore'],
    scope: 'groups:read',
    contents: ({ after }) => {
      const { moveSubscribersFrom: movedFrom = null, subscribersMovedBack = 0, ...group } = fieldsOf(after);
      return aboutGroup(group, { subscribersMovedBack, movedFrom });
    },
    example: { group: exampleGroup, subscribersMovedBack: 0, movedFrom: null },
  },
  'group.purged': {
    meaning:
      '`purgeDeletedGroup`, or the end of a deleted group in the archive: it cannot be restored any more. `group` has `id` and ' +
      '`name` only',
    operations: ['purgeDeletedGroup', 'groups purge'],
    scope: 'groups:read',
    contents: ({ before }) => aboutGroup(identityOf(before)),
    example: { group: { id: 7, name: 'Gold 30 days' } },
  },
  'group.retired': {
    meaning:
      '`retireGroup`: `group` is the group, to be deleted after its `retiresAt`; `moveSubscribersTo` is the group to which its ' +
      'active subscribers move then, or null; `before` is the group before',
    operations: auditOperations.retireGroup,
    scope: 'groups:read',
    contents: ({ before, after, reason }) => {
      const { moveSubscribersTo = null } = fieldsOf(fieldsOf(after)['retirement']);
      return aboutGroup(after, { reason, moveSubscribersTo, before: groupOf(before) });
    },
    example: {
      group: { ...exampleGroup, hidden: true, retiresAt: '2026-12-31T20:30:00.000Z', version: 2 },
      reason: 'replaced by Gold 2027',
      moveSubscribersTo: 8,
      before: exampleGroup,
    },
  },
  'group.retirement_cancelled': {
    meaning: '`cancelRetirement`: `group` is the group, which is not deleted, `before` before it',
    operations: auditOperations.cancelRetirement,
    scope: 'groups:read',
    contents: ({ before, after }) => aboutGroup(after, { before: groupOf(before) }),
    example: {
      group: { ...exampleGroup, version: 3 },
      before: { ...exampleGroup, hidden: true, retiresAt: '2026-12-31T20:30:00.000Z', version: 2 },
    },
  },
  'group.subscribers_moved': {
    meaning:
      '`moveSubscribers`: `movedCount` active subscribers moved from the group `from` to the group `to`',
    operations: ['moveSubscribers', 'subscribers move'],
    scope: 'groups:read',
    contents: ({ after }) => {
      const { fromGroupId: from, toGroupId: to, movedCount } = fieldsOf(after);
      return [{ data: { from, to, movedCount }, groupIds: [from, to] as number[] }];
    },
    example: { from: 7, to: 8, movedCount: 12 },
  },
  'subscriber.added': {
    meaning: '`subscribe`: the subscription of a username to a group',
    operations: ['subscribe', 'subscribers add'],
    scope: 'subscribers:read',
    contents: ({ after }) => aboutSubscription(after),
    example: exampleSubscription,
  },
  'subscriber.removed': {
    meaning: '`removeUserSubscription`: the subscription as it was before',
    operations: ['removeUserSubscription', 'subscribers remove'],
    scope: 'subscribers:read',
    contents: ({ before }) => aboutSubscription(before),
    example: exampleSubscription,
  },
  'service_group.created': {
    meaning: '`createServiceGroup`: `serviceGroup` is the new one',
    operations: ['createServiceGroup', 'service-groups create'],
    scope: 'groups:read',
    contents: ({ after }) => [{ data: { serviceGroup: after }, groupIds: [] }],
    example: { serviceGroup: exampleServiceGroup },
  },
  'service_group.edited': {
    meaning: '`editServiceGroup`: `serviceGroup` after the edit, `before` before it',
    operations: ['editServiceGroup', 'service-groups edit'],
    scope: 'groups:read',
    contents: ({ before, after }) => [{ data: { serviceGroup: after, before }, groupIds: [] }],
    example: { serviceGroup: { ...exampleServiceGroup, discount: 10 }, before: exampleServiceGroup },
  },
  'service_group.deleted': {
    meaning: '`deleteServiceGroup`: `serviceGroup` is the deleted one',
    operations: ['deleteServiceGroup', 'service-groups delete'],
    scope: 'groups:read',
    contents: ({ before }) => [{ data: { serviceGroup: before }, groupIds: [] }],
    example: { serviceGroup: exampleServiceGroup },
  },
  'number_group.added': {
    meaning: 'the autodialer’s `add`: `numberGroup` is the new group, without its numbers',
    operations: ['autodialer/groups/add'],
    scope: 'autodialer/groups/search',
    contents: ({ after }) => aboutNumberGroup(after),
    example: { numberGroup: exampleNumberGroup },
  },
  'number_group.updated': {
    meaning: 'the autodialer’s `update`: `numberGroup` after the update, `before` before it',
    operations: ['autodialer/groups/update'],
    scope: 'autodialer/groups/search',
    contents: ({ before, after }) => aboutNumberGroup(after, { before: numberGroupOf(before) }),
    example: { numberGroup: { ...exampleNumberGroup, name: 'old customers' }, before: exampleNumberGroup },
  },
  'number_group.removed': {
    meaning: 'the autodialer’s `remove`: `numberGroup` is the removed group',
    operations: ['autodialer/groups/remove'],
    scope: 'autodialer/groups/search',
    contents: ({ before }) => aboutNumberGroup(before),
    example: { numberGroup: exampleNumberGroup },
  },
  'number_group.restored': {
    meaning: '`group-api number-groups restore`: `numberGroup` is the restored group',
    operations: ['number-groups restore'],
    scope: 'autodialer/groups/search',
    contents: ({ after }) => aboutNumberGroup(after),
    example: { numberGroup: exampleNumberGroup },
  },
  'number_group.purged': {
    meaning: 'the end of a removed number group in the archive: `numberGroup` has `id` and `name` only',
    operations: ['autodialer/groups/purge'],
    scope: 'autodialer/groups/search',
    contents: ({ before }) => [{ data: { numberGroup: identityOf(before) }, groupIds: [] }],
    example: { numberGroup: { id: exampleNumberGroup.id, name: exampleNumberGroup.name } },
  },
  'groups.imported': {
    meaning:
      '`group-api groups import`: one event with the `counts` of records by outcome. It has no events for single groups: read ' +
      'them again',
    operations: ['groups import'],
    scope: 'groups:read',
    contents: ({ after }) => [{ data: { counts: after }, groupIds: [] }],
    example: { counts: exampleCounts },
  },
} satisfies Record<string, EventDescription>;

/** The name of a type, such as `group.deleted`. */
export type EventType = keyof typeof eventTypes;

/** The names of all types, in the order of the table. */
export const eventTypeNames = Object.keys(eventTypes) as readonly EventType[];
