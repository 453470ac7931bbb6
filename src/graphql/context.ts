import DataLoader from 'dataloader';
import type { GroupRepository } from '../groups/group-repository.ts';
import type { Logger } from '../log.ts';
import type { ServiceGroup } from '../service-groups/service-group.ts';
import type { ServiceGroupRepository } from '../service-groups/service-group-repository.ts';

/** Everything that the resolvers work with and that lives as long as the server. */
export type Repositories = {
  readonly groups: GroupRepository;
  readonly serviceGroups: ServiceGroupRepository;
};

/** What the resolvers of one request share. */
export type Context = Repositories & {
  readonly requestId: string;
  readonly log: Pick<Logger, 'error'>;
  /** Collects the service groups that the groups of a list belong to, so that one query fetches them all. */
  readonly serviceGroupLoader: DataLoader<number, ServiceGroup | null>;
  /** What became of the operation, for whoever chooses the HTTP status. */
  readonly outcome: Outcome;
};

/** How an operation ended, written when its result is known. */
export type Outcome = {
  operationName: string | null | undefined;
  errorCodes: readonly unknown[];
  /** Nothing could be answered, because the database is away. */
  isUnavailable: boolean;
};

export function createContext(
  repositories: Repositories,
  request: { id: string; log: Context['log'] },
): Context {
  return {
    ...repositories,
    requestId: request.id,
    log: request.log,
    serviceGroupLoader: new DataLoader((ids) => repositories.serviceGroups.serviceGroupsById(ids)),
    outcome: { operationName: undefined, errorCodes: [], isUnavailable: false },
  };
}
