import {
  filterOf,
  readPage,
  requireDeliveries,
  stateColumns,
  type DeliverySearch,
  type DeliveryState,
} from '../../deliveries/delivery-list.ts';
import { AppError } from '../../errors.ts';
import { Prisma, type PrismaClient } from '../../generated/prisma/client.ts';
import type { MutationCall } from '../../mutations/mutation-call.ts';
import type { MutationRunner } from '../../mutations/mutation-runner.ts';
import { countLimit, toTotalCount, type TotalCount } from '../../validation/total-count.ts';

/** The delivery of an event to an endpoint, without the data of the event. */
export type Delivery = DeliveryState & {
  readonly endpointId: number;
  readonly responseStatus: number | null;
  /** The first KiB of the last response. */
  readonly responseBody: string | null;
};

/** The deliveries of a list, of one endpoint or all. */
type WebhookDeliverySearch = DeliverySearch & { readonly endpointId: number | undefined };

/** Deliveries to send again: by their ids, or those of events since a time, maybe of one endpoint only. */
type Redelivery = {
  readonly ids: readonly bigint[];
  readonly since: Date | undefined;
  readonly endpointId: number | undefined;
};

const select = { ...stateColumns, endpointId: true, responseStatus: true, responseBody: true } as const;

export type DeliveryRepository = ReturnType<typeof createDeliveryRepository>;

/** The deliveries in the database, for the command line. */
export function createDeliveryRepository(prisma: PrismaClient, mutations: MutationRunner) {
  return {
    /** Returns a page of the deliveries, the latest first. */
    async list({
      endpointId,
      ...search
    }: WebhookDeliverySearch): Promise<{ nodes: Delivery[]; hasNextPage: boolean }> {
      return readPage(search, async ({ where, ...page }) =>
        prisma.webhookDelivery.findMany({ ...page, where: { ...where, ...ofEndpoint(endpointId) }, select }),
      );
    },

    /** Counts the deliveries on all pages. */
    async count({ endpointId, ...search }: WebhookDeliverySearch): Promise<TotalCount> {
      const where = { ...filterOf(search), ...ofEndpoint(endpointId) };
      return toTotalCount(await prisma.webhookDelivery.count({ where, take: countLimit }));
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
        if (since === undefined) {
          const where = { id: { in: [...ids] } };
          const rows = await transaction.webhookDelivery.findMany({ where, select: { id: true } });
          requireDeliveries(ids, rows, 'webhooks deliveries');
        }
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

function ofEndpoint(endpointId: number | undefined) {
  return endpointId === undefined ? {} : { endpointId };
}
