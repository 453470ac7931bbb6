import {
  filterOf,
  readPage,
  requireDeliveries,
  stateColumns,
  type DeliverySearch,
  type DeliveryState,
} from '../deliveries/delivery-list.ts';
import type { PrismaClient } from '../generated/prisma/client.ts';
import type { MutationCall } from '../mutations/mutation-call.ts';
import type { MutationRunner } from '../mutations/mutation-runner.ts';
import { countLimit, toTotalCount, type TotalCount } from '../validation/total-count.ts';

/** The delivery of an event to the NAS of one session. */
export type RadiusDelivery = DeliveryState & {
  readonly username: string;
  readonly sessionId: string;
  readonly nasAddress: string;
  /** The last request that was sent: `disconnect` or `coa`; null if there was none. */
  readonly request: string | null;
  /** `ack` or `nak`; null if there was no response. */
  readonly response: string | null;
  readonly errorCause: number | null;
};

const select = {
  ...stateColumns,
  username: true,
  sessionId: true,
  nasAddress: true,
  request: true,
  response: true,
  errorCause: true,
} as const;

/** The deliveries in the database, for the command line. */
export function createDeliveryRepository(prisma: PrismaClient, mutations: MutationRunner) {
  return {
    /** Returns a page of the deliveries, the latest first. */
    async list(search: DeliverySearch): Promise<{ nodes: RadiusDelivery[]; hasNextPage: boolean }> {
      return readPage(search, async (page) => prisma.radiusDelivery.findMany({ ...page, select }));
    },

    /** Counts the deliveries on all pages. */
    async count(search: DeliverySearch): Promise<TotalCount> {
      return toTotalCount(await prisma.radiusDelivery.count({ where: filterOf(search), take: countLimit }));
    },

    /**
     * Makes deliveries due again, with all their attempts; returns how many. Sessions that have ended receive nothing.
     * @throws AppError NOT_FOUND if one of the ids does not exist; nothing is changed then
     */
    async redeliver(ids: readonly bigint[], call: MutationCall): Promise<number> {
      return mutations.run(call, async (transaction) => {
        const where = { id: { in: [...ids] } };
        const rows = await transaction.radiusDelivery.findMany({ where, select: { id: true } });
        requireDeliveries(ids, rows, 'radius deliveries');
        // Not by the clock of the machine that runs the command.
        const count = await transaction.$executeRaw`
          UPDATE radius_deliveries SET status = 'pending', attempts = 0, next_attempt_at = now(), finished_at = NULL
          WHERE id = ANY (${[...ids]}::bigint[])`;
        return { result: count, targetIds: ids.map(String), after: { count } };
      });
    },
  };
}
