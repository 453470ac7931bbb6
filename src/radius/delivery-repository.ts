import { AppError } from '../errors.ts';
import type { Prisma, PrismaClient } from '../generated/prisma/client.ts';
import type { MutationCall } from '../mutations/mutation-call.ts';
import type { MutationRunner } from '../mutations/mutation-runner.ts';
import { countLimit, toTotalCount, type TotalCount } from '../validation/total-count.ts';

/** The delivery of an event to the NAS of one session. */
export type RadiusDelivery = {
  readonly id: bigint;
  readonly eventId: string;
  readonly eventType: string;
  readonly eventAt: Date;
  readonly username: string;
  readonly sessionId: string;
  readonly nasAddress: string;
  readonly status: string;
  readonly attempts: number;
  /** Null once the delivery is finished. */
  readonly nextAttemptAt: Date | null;
  readonly lastAttemptAt: Date | null;
  /** The last request that was sent: `disconnect` or `coa`; null if there was none. */
  readonly request: string | null;
  /** `ack` or `nak`; null if there was no response. */
  readonly response: string | null;
  readonly errorCause: number | null;
  readonly lastError: string | null;
  readonly finishedAt: Date | null;
};

/** The deliveries of a list: all, or those whose last attempt failed; before an id. */
export type DeliverySearch = {
  readonly isFailed: boolean;
  readonly first: number;
  readonly before: bigint | undefined;
};

/** The columns of a `RadiusDelivery`. */
const selected = {
  id: true,
  eventId: true,
  eventType: true,
  eventAt: true,
  username: true,
  sessionId: true,
  nasAddress: true,
  status: true,
  attempts: true,
  nextAttemptAt: true,
  lastAttemptAt: true,
  request: true,
  response: true,
  errorCause: true,
  lastError: true,
  finishedAt: true,
} as const;

/** The deliveries in the database, for the command line. */
export function createDeliveryRepository(prisma: PrismaClient, mutations: MutationRunner) {
  return {
    /** Returns a page of the deliveries, the latest first. */
    async list(search: DeliverySearch): Promise<{ nodes: RadiusDelivery[]; hasNextPage: boolean }> {
      const { first, before } = search;
      const rows = await prisma.radiusDelivery.findMany({
        where: { ...filterOf(search), ...(before !== undefined && { id: { lt: before } }) },
        orderBy: { id: 'desc' },
        take: first + 1,
        select: selected,
      });
      return { nodes: rows.slice(0, first), hasNextPage: rows.length > first };
    },

    /** Counts the deliveries on all pages. */
    async count(search: Pick<DeliverySearch, 'isFailed'>): Promise<TotalCount> {
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
        const missing = ids.filter((id) => !rows.some((row) => row.id === id));
        if (missing.length > 0)
          throw new AppError(
            'NOT_FOUND',
            `There is no delivery ${missing.join(', ')}: finished ones are deleted after 7 days; ` +
              '`group-api radius deliveries` lists those that exist',
          );
        const data = { status: 'pending', attempts: 0, nextAttemptAt: new Date(), finishedAt: null };
        const { count } = await transaction.radiusDelivery.updateMany({ where, data });
        return { result: count, targetIds: ids.map(String), after: { count } };
      });
    },
  };
}

function filterOf({ isFailed }: Pick<DeliverySearch, 'isFailed'>): Prisma.RadiusDeliveryWhereInput {
  return isFailed ? { lastError: { not: null } } : {};
}
