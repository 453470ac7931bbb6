import { AppError } from '../../errors.ts';
import { Prisma, type PrismaClient } from '../../generated/prisma/client.ts';
import type { MutationCall } from '../../mutations/mutation-call.ts';
import type { MutationRunner, Transaction } from '../../mutations/mutation-runner.ts';
import { countLimit, toTotalCount, type TotalCount } from '../../validation/total-count.ts';

/** The delivery of an event to an endpoint, without the data of the event. */
export type Delivery = {
  readonly id: bigint;
  readonly endpointId: number;
  readonly eventId: string;
  readonly eventType: string;
  readonly eventAt: Date;
  readonly status: string;
  readonly attempts: number;
  /** Null once the delivery is finished. */
  readonly nextAttemptAt: Date | null;
  readonly lastAttemptAt: Date | null;
  readonly responseStatus: number | null;
  /** The first KiB of the last response. */
  readonly responseBody: string | null;
  readonly lastError: string | null;
  readonly finishedAt: Date | null;
};

/** The deliveries of a list: of one endpoint or all, all or those whose last attempt failed; before an id. */
export type DeliverySearch = {
  readonly endpointId: number | undefined;
  readonly isFailed: boolean;
  readonly first: number;
  readonly before: bigint | undefined;
};

/** Deliveries to send again: by their ids, or those of events since a time, maybe of one endpoint only. */
type Redelivery = {
  readonly ids: readonly bigint[];
  readonly since: Date | undefined;
  readonly endpointId: number | undefined;
};

/** The columns of a `Delivery`. */
const selected = {
  id: true,
  endpointId: true,
  eventId: true,
  eventType: true,
  eventAt: true,
  status: true,
  attempts: true,
  nextAttemptAt: true,
  lastAttemptAt: true,
  responseStatus: true,
  responseBody: true,
  lastError: true,
  finishedAt: true,
} as const;

export type DeliveryRepository = ReturnType<typeof createDeliveryRepository>;

/** The deliveries in the database, for the command line. */
export function createDeliveryRepository(prisma: PrismaClient, mutations: MutationRunner) {
  return {
    /** Returns a page of the deliveries, the latest first. */
    async list(search: DeliverySearch): Promise<{ nodes: Delivery[]; hasNextPage: boolean }> {
      const { first, before } = search;
      const where = { ...filterOf(search), ...(before !== undefined && { id: { lt: before } }) };
      const rows = await prisma.webhookDelivery.findMany({
        where,
        orderBy: { id: 'desc' },
        take: first + 1,
        select: selected,
      });
      return { nodes: rows.slice(0, first), hasNextPage: rows.length > first };
    },

    /** Counts the deliveries on all pages. */
    async count(search: DeliverySearch): Promise<TotalCount> {
      return toTotalCount(await prisma.webhookDelivery.count({ where: filterOf(search), take: countLimit }));
    },

    /** Counts the pending deliveries of an endpoint. */
    async countPending(endpointId: number): Promise<TotalCount> {
      const where = { endpointId, status: 'pending' };
      return toTotalCount(await prisma.webhookDelivery.count({ where, take: countLimit }));
    },

    /**
     * Makes deliveries due again, with all their attempts and the same event ids; returns how many.
     * @throws AppError NOT_FOUND if one of the ids does not exist; nothing is changed then
     */
    async redeliver({ ids, since, endpointId }: Redelivery, call: MutationCall): Promise<number> {
      return mutations.run(call, async (transaction) => {
        if (
          endpointId !== undefined &&
          !(await transaction.webhookEndpoint.count({ where: { id: endpointId } }))
        )
          throw new AppError('NOT_FOUND', `There is no webhook ${endpointId}`, { id: endpointId });
        if (since === undefined) await requireDeliveries(transaction, ids);
        const isChosen =
          since === undefined
            ? Prisma.sql`id = ANY (${ids}::bigint[])`
            : Prisma.sql`event_at >= ${since}::timestamptz`;
        const isOfEndpoint =
          endpointId === undefined ? Prisma.empty : Prisma.sql`AND endpoint_id = ${endpointId}`;
        const count = await transaction.$executeRaw`
          UPDATE webhook_deliveries
          SET status = 'pending', attempts = 0, is_claimed = false, next_attempt_at = now(), finished_at = NULL
          WHERE ${isChosen} ${isOfEndpoint}`;
        const targetIds = ids.map(String);
        return {
          result: count,
          targetIds,
          after: { count, since: since ?? null, webhook: endpointId ?? null },
        };
      });
    },
  };
}

function filterOf({ endpointId, isFailed }: DeliverySearch): Prisma.WebhookDeliveryWhereInput {
  return {
    ...(endpointId !== undefined && { endpointId }),
    ...(isFailed && { lastError: { not: null } }),
  };
}

async function requireDeliveries(transaction: Transaction, ids: readonly bigint[]): Promise<void> {
  const rows = await transaction.webhookDelivery.findMany({
    where: { id: { in: [...ids] } },
    select: { id: true },
  });
  const missing = ids.filter((id) => !rows.some((row) => row.id === id));
  if (missing.length > 0) {
    throw new AppError(
      'NOT_FOUND',
      `There is no delivery ${missing.join(', ')}: finished ones are deleted after 7 days; ` +
        '`group-api webhooks deliveries` lists those that exist',
    );
  }
}
