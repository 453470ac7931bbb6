import type { AuditEvent } from '../mutations/audit-events.ts';
import type { DeletedGroup } from '../groups/archive.ts';
import type { Group } from '../groups/group.ts';
import type { Subscriber } from '../subscribers/subscriber.ts';
import type { TotalCount } from '../validation/total-count.ts';

/** One page of a list, from which the fields of a Relay connection are resolved. */
export type Connection<Node> = {
  readonly nodes: readonly Node[];
  readonly hasNextPage: boolean;
  readonly hasPreviousPage: boolean;
  readonly cursorOf: (node: Node) => string;
  /** Counts the whole list; called only if `totalCount` or `totalCountIsExact` is selected. */
  readonly count: () => Promise<TotalCount>;
};

export type GroupConnection = Connection<Group>;
export type SubscriberConnection = Connection<Subscriber>;
export type DeletedGroupConnection = Connection<DeletedGroup>;
export type AuditEventConnection = Connection<AuditEvent>;

/** Resolves the fields of any connection type. @see https://relay.dev/graphql/connections.htm */
export function connectionResolvers<Node>() {
  return {
    edges: ({ nodes, cursorOf }: Connection<Node>) => nodes.map((node) => ({ node, cursor: cursorOf(node) })),
    nodes: ({ nodes }: Connection<Node>) => [...nodes],
    pageInfo: ({ nodes, cursorOf, hasNextPage, hasPreviousPage }: Connection<Node>) => ({
      hasNextPage,
      hasPreviousPage,
      startCursor: nodes.length === 0 ? null : cursorOf(nodes.at(0)!),
      endCursor: nodes.length === 0 ? null : cursorOf(nodes.at(-1)!),
    }),
    totalCount: async (connection: Connection<Node>) => (await countOnce(connection)).totalCount,
    totalCountIsExact: async (connection: Connection<Node>) =>
      (await countOnce(connection)).totalCountIsExact,
  };
}

const counts = new WeakMap<object, Promise<TotalCount>>();

/** Counts a list once for both of its fields. */
function countOnce(connection: Pick<Connection<never>, 'count'>): Promise<TotalCount> {
  let counted = counts.get(connection);
  if (counted === undefined) {
    counted = connection.count();
    counts.set(connection, counted);
  }
  return counted;
}
