import DataLoader from 'dataloader';
import type { AuditRepository } from '../mutations/audit-events.ts';
import type { MutationRunner } from '../mutations/mutation-runner.ts';
import type { Caller } from '../mutations/mutation-call.ts';
import type { DeletedGroupRepository } from '../groups/archive.ts';
import type { Group } from '../groups/group.ts';
import type { GroupDeletion } from '../group-deletion/delete-group.ts';
import type { GroupRepository } from '../groups/group-repository.ts';
import type { Logger } from '../log.ts';
import type { ServiceGroup } from '../service-groups/service-group.ts';
import type { ServiceGroupRepository } from '../service-groups/service-group-repository.ts';
import type { Subscriber } from '../subscribers/subscriber.ts';
import type { SubscriberPage, SubscriberRepository } from '../subscribers/subscriber-repository.ts';

/** Everything that the resolvers work with and that lives as long as the server. */
export type Repositories = {
  readonly groups: GroupRepository;
  readonly groupDeletion: GroupDeletion;
  readonly deletedGroups: DeletedGroupRepository;
  readonly serviceGroups: ServiceGroupRepository;
  readonly subscribers: SubscriberRepository;
  readonly audit: AuditRepository;
  readonly mutations: MutationRunner;
};

/** What the resolvers of one request share. */
export type Context = Repositories & {
  readonly caller: Caller;
  /** What the caller may do. */
  readonly scopes: ReadonlySet<string>;
  /** The header Idempotency-Key as it came. */
  readonly idempotencyKey: string | undefined;
  /** Whether the client accepts a media type that GraphQL responses have. */
  readonly canReadResponse: boolean;
  readonly log: Pick<Logger, 'error'>;
  readonly loaders: () => Loaders;
  /** What became of the operation, for whoever chooses the HTTP status. */
  readonly outcome: Outcome;
};

/** How an operation ended, written when its result is known. */
export type Outcome = {
  errors: readonly OutcomeError[];
  /** Whether the execution began: false if the request was rejected as a whole. */
  isExecuted: boolean;
  /** Whether a root field has a result or, of a mutation, was done even if its result could not be read. */
  isDone: boolean;
  /** The root fields of a mutation whose resolvers were reached, by their names in the response. */
  readonly reachedFields: Set<string | number>;
  /** Nothing could be answered, because the database is away. */
  isUnavailable: boolean;
  /** A mutation was not carried out, but answered as it was before. */
  isReplayed: boolean;
};

export type Loaders = ReturnType<typeof createLoaders>;
/** An error of a response; without a path it concerns the whole request. */
export type OutcomeError = {
  readonly code: unknown;
  readonly path: readonly (string | number)[] | undefined;
};

export function createContext(
  repositories: Repositories,
  request: Pick<Context, 'caller' | 'scopes' | 'idempotencyKey' | 'canReadResponse' | 'log'>,
): Context {
  // Few requests need them, and to make them is a tenth of the work of one that does not.
  let loaders: Loaders | undefined;
  return {
    ...repositories,
    ...request,
    loaders: () => (loaders ??= createLoaders(repositories)),
    outcome: {
      errors: [],
      isExecuted: false,
      isDone: false,
      reachedFields: new Set(),
      isUnavailable: false,
      isReplayed: false,
    },
  };
}

/**
 * Collect what the groups of a list ask for, so that one query answers all of them. They keep nothing, since a mutation
 * may be followed by another in the same request.
 */
function createLoaders({ groups, serviceGroups, subscribers }: Repositories) {
  return {
    group: new DataLoader<number, Group | null>((ids) => groups.groupsById(ids), { cache: false }),
    serviceGroup: new DataLoader<number, ServiceGroup | null>((ids) => serviceGroups.serviceGroupsById(ids), {
      cache: false,
    }),
    activeSubscriberCount: new DataLoader<number, number>((ids) => subscribers.countActiveSubscribers(ids), {
      cache: false,
    }),
    activeSubscribers: new DataLoader<SubscriberPage, Subscriber[]>(
      (pages) => subscribers.activeSubscribers(pages),
      { cache: false },
    ),
  };
}
