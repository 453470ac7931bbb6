import { randomUUID } from 'node:crypto';
import { logFailure } from '../../deliveries/log-failure.ts';
import { deliveriesStored, webhookDisabled } from '../../measurements/channels.ts';
import type { PrismaClient } from '../../generated/prisma/client.ts';
import type { Logger } from '../../log.ts';
import {
  claimDeliveries,
  recordAttempts,
  releaseDeliveries,
  type AttemptRecord,
  type ClaimedDelivery,
} from './delivery-statements.ts';
import { noteFailure, noteSuccess } from './endpoint-statements.ts';

/** The deliveries in the database, for the lanes that send them. */
export type DeliveryStore = ReturnType<typeof createDeliveryStore>;

/** What the results of a batch mean for the endpoint. */
type EndpointOutcome = {
  /** Whether the last attempt has succeeded. */
  readonly isAvailable: boolean;
  /** Whether an attempt may have failed since the last success. */
  readonly wasUnavailable: boolean;
  /** Whether an attempt got 410. */
  readonly isGone: boolean;
};

/** Creates the store. Its statements are single ones: nothing is locked while an attempt runs. */
export function createDeliveryStore(prisma: PrismaClient, log: Logger) {
  return {
    /** Claims due deliveries for `leaseMs`. Without a result by then, any server claims them again. */
    async claim(endpointId: number, limit: number, leaseMs: number): Promise<ClaimedDelivery[]> {
      const claimed = await prisma.$queryRaw<ClaimedDelivery[]>(claimDeliveries(endpointId, limit, leaseMs));
      return claimed.toSorted((one, other) => (one.id < other.id ? -1 : 1));
    },

    /** Gives deliveries back that were claimed and not sent. */
    async release(deliveries: readonly ClaimedDelivery[]): Promise<void> {
      if (deliveries.length > 0) await prisma.$executeRaw(releaseDeliveries(deliveries));
    },

    /** Stores the results of attempts at one endpoint, and its state; may disable the endpoint. Can be repeated. */
    async record(
      endpointId: number,
      records: readonly AttemptRecord[],
      { isAvailable, wasUnavailable, isGone }: EndpointOutcome,
    ): Promise<void> {
      await prisma.$executeRaw(recordAttempts(records));
      if (deliveriesStored.hasSubscribers) {
        const counts = { delivered: 0, pending: 0, failed: 0 };
        for (const { status } of records) counts[status]++;
        deliveriesStored.publish({ webhookId: endpointId, ...counts });
      }
      if (!isAvailable || isGone) {
        const isFinal = records.some(({ status }) => status === 'failed');
        const requestId = randomUUID();
        const disabled = await prisma.$executeRaw(noteFailure(endpointId, { isFinal, isGone, requestId }));
        if (disabled > 0) {
          log.warn({ webhook: endpointId, requestId }, 'a webhook was disabled');
          if (webhookDisabled.hasSubscribers) webhookDisabled.publish({ webhookId: endpointId });
        }
      } else if (wasUnavailable) await prisma.$executeRaw(noteSuccess(endpointId));
    },

    /** Logs an error of background work, which is repeated. */
    onError: (error: unknown) => logFailure(log, 'the delivery of webhooks failed', error),
  };
}
