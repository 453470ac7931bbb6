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

/** The repositories that resolvers use; they live as long as the server. */
export type Repositories = {
  readonly groups: GroupRepository;
  readonly groupDeletion: GroupDeletion;
  readonly deletedGroups: DeletedGroupRepository;
  readonly serviceGroups: ServiceGroupRepository;
  readonly subscribers: SubscriberRepository;
  readonly audit: AuditRepository;
  readonly mutations: MutationRunner;
};

/** The state that the resolvers of one request share. */
export type Context = Repositories & {
  readonly caller: Caller;
  /** The scopes of the caller's account. */
  readonly scopes: ReadonlySet<string>;
  /** The unparsed Idempotency-Key header. */
  readonly idempotencyKey: string | undefined;
  /** Whether the client accepts a GraphQL media type. */
  readonly canReadResponse: boolean;
  readonly log: Pick<Logger, 'error'>;
  readonly loaders: () => Loaders;
  /** How the operation ended, for the HTTP status. */
  readonly outcome: Outcome;
};

/** How an operation ended, written when its result is known. */
export type Outcome = {
  errors: readonly OutcomeError[];
  /** Whether the execution began: false if the request was rejected as a whole. */
  isExecuted: boolean;
  /** Whether a root field has a result, or a mutation was executed but its result could not be read. */
  isDone: boolean;
  /** The response names of the mutation's root fields whose resolvers were called. */
  readonly reachedFields: Set<string | number>;
  /** Every root field failed because the database is unavailable. */
  isUnavailable: boolean;
  /** A mutation was not executed: its stored response was returned. */
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
  // Lazily: few requests need loaders, and creating them is a tenth of the work of a request without them.
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
 * Creates loaders that batch the queries for the groups of a list into one. They do not cache, since a request may
 * contain several mutations.
 */
function createLoaders({ groups, serviceGroups, subscribers }: Repositories) {
  return {
    group: new DataLoader<number, Group | null>((ids) => groups.findByIds(ids), { cache: false }),
    serviceGroup: new DataLoader<number, ServiceGroup | null>((ids) => serviceGroups.findByIds(ids), {
      cache: false,
    }),
    activeSubscriberCount: new DataLoader<number, number>((ids) => subscribers.countActive(ids), {
      cache: false,
    }),
    activeSubscribers: new DataLoader<SubscriberPage, Subscriber[]>(
      (pages) => subscribers.listActive(pages),
      { cache: false },
    ),
  };
}
