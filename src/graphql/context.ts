import DataLoader from 'dataloader';
import type { Caller } from '../mutations/mutation-call.ts';
import type { Group } from '../groups/group.ts';
import type { RadiusAttribute } from '../groups/radius-attribute-statements.ts';
import type { Logger } from '../log.ts';
import type { RequestSummary } from '../measurements/request-summary.ts';
import type { Repositories } from '../repositories.ts';
import type { ServiceGroup } from '../service-groups/service-group.ts';
import type { Subscriber } from '../subscribers/subscriber.ts';
import type { SubscriberPage } from '../subscribers/subscriber-repository.ts';

/** The state that the resolvers of one request share. */
export type Context = Repositories & {
  readonly caller: Caller;
  /** The scopes of the caller's account. */
  readonly scopes: ReadonlySet<string>;
  /** The unparsed Idempotency-Key header. */
  readonly idempotencyKey: string | undefined;
  /** Whether the server wrote the query, because the request has the arguments of an operation only. */
  readonly isDefaultQuery: boolean;
  /** Whether the query is one of the `KnownQueries`. */
  readonly isKnownQuery: boolean;
  /** Whether the client accepts a GraphQL media type. */
  readonly canReadResponse: boolean;
  readonly log: Pick<Logger, 'error'>;
  readonly loaders: () => Loaders;
  /** The response names of the root fields of a mutation whose resolvers were called. */
  readonly reachedFields: Set<string | number>;
  /** Called if a mutation was not executed because the stored response of an earlier call is returned. */
  readonly markReplayed: () => void;
  /** What the request did so far. */
  readonly summary: RequestSummary;
};

export type Loaders = ReturnType<typeof createLoaders>;

/**
 * Creates loaders that batch the queries for the groups of a list into one. They do not cache, since a request may
 * contain several mutations.
 */
export function createLoaders({ deletedGroups, groups, serviceGroups, subscribers }: Repositories) {
  return {
    group: new DataLoader<number, Group | null>((ids) => groups.findByIds(ids), { cache: false }),
    serviceGroup: new DataLoader<number, ServiceGroup | null>((ids) => serviceGroups.findByIds(ids), {
      cache: false,
    }),
    radiusAttributes: new DataLoader<Group, RadiusAttribute[]>((list) => groups.radiusAttributes(list), {
      cache: false,
      // A query for all groups of the longest list would take a second.
      maxBatchSize: 1000,
    }),
    activeSubscriberCount: new DataLoader<number, number>((ids) => subscribers.countActive(ids), {
      cache: false,
    }),
    returningSubscriberCount: new DataLoader<number, number>((ids) => deletedGroups.countReturning(ids), {
      cache: false,
    }),
    activeSubscribers: new DataLoader<SubscriberPage, Subscriber[]>(
      (pages) => subscribers.listActive(pages),
      { cache: false },
    ),
  };
}
