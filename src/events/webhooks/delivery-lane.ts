import { delivered, retryAfter } from '../../deliveries/stored-result.ts';
import { createResultBatch } from '../../deliveries/result-batch.ts';
import { webhookAttempted } from '../../measurements/channels.ts';
import { tracer } from '../../measurements/tracer.ts';
import { maxRetryAfterMs, retryDelaysMs } from './retry-schedule.ts';
import type { AttemptResult, AttemptSender } from './send-attempt.ts';
import type { AttemptRecord, ClaimedDelivery } from './delivery-statements.ts';
import type { DeliveryStore } from './delivery-store.ts';
import type { ActiveEndpoint } from './endpoint-statements.ts';
import { writeEnvelope } from './envelope.ts';
import type { Slots } from './slots.ts';

/** Sends the due deliveries of one endpoint. */
export type DeliveryLane = {
  /** Starts workers, if deliveries may be due. */
  wake(): void;
  /** Takes over the state of the endpoint. If it was changed or disabled, its claimed deliveries are given back. */
  update(endpoint: LaneEndpoint | undefined): void;
  /** Whether no worker is running, and all results are stored. */
  isIdle(): boolean;
  /** Resolves once no worker is running, and all results are stored. */
  finish(): Promise<void>;
};

type LaneEndpoint = Pick<ActiveEndpoint, 'id' | 'updatedAt' | 'isUnavailable'>;
type SentDelivery = { readonly delivery: ClaimedDelivery; readonly result: AttemptResult };

/** Attempts at a time, of a process at an endpoint. */
const maxConcurrentAttempts = 2;
const claimSize = 50;
/** Claimed deliveries are sent within this time, or given back: an attempt needs up to 15 s of the lease. */
const claimUseMs = 10_000;
/** A killed process's deliveries are sent again after this time. */
const leaseMs = 40_000;
const goneStatus = 410;

/**
 * Creates the sender of one endpoint's deliveries: up to two at a time, in the order of their events. `signal` abandons
 * running attempts, which are given back; `slots` limits the attempts of all endpoints.
 */
export function createDeliveryLane(
  initial: LaneEndpoint,
  store: DeliveryStore,
  sender: AttemptSender,
  slots: Slots,
  stop: { readonly isStopping: () => boolean; readonly signal: AbortSignal },
): DeliveryLane {
  const workers = new Set<Promise<void>>();
  let endpoint = initial;
  /** Whether an attempt of this lane has failed since its last success. */
  let hasFailed = false;
  let queue: ClaimedDelivery[] = [];
  let queuedAt = 0;
  let claiming: Promise<void> | undefined;
  /** Counts what makes claimed deliveries outdated. */
  let changes = 0;
  let releasing: Promise<unknown> = Promise.resolve();

  const results = createResultBatch<SentDelivery>(async (batch) => {
    const isAvailable = batch.at(-1)!.result.isSuccess;
    hasFailed ||= endpoint.isUnavailable || batch.some(({ delivery }) => delivery.isUnavailable);
    await store.record(
      endpoint.id,
      batch.map(({ delivery, result }) => toRecord(delivery, result)),
      {
        isAvailable,
        wasUnavailable: hasFailed,
        isGone: batch.some(({ result }) => result.status === goneStatus),
      },
    );
    hasFailed = !isAvailable;
  }, store.onError);

  const claim = async () => {
    // A delivery that waits for one of these is found once their results are stored.
    await results.flush();
    const changesBefore = changes;
    const claimed = await store.claim(endpoint.id, claimSize, leaseMs);
    queuedAt = performance.now();
    if (changes !== changesBefore) await store.release(claimed);
    else queue = claimed;
    if (queue.length > 1) wake();
  };
  const next = async (): Promise<ClaimedDelivery | undefined> => {
    if (queue.length > 0 && (stop.isStopping() || performance.now() - queuedAt > claimUseMs))
      await store.release(queue.splice(0));
    if (queue.length === 0 && !stop.isStopping())
      await (claiming ??= claim().finally(() => (claiming = undefined)));
    return queue.shift();
  };
  const send = async (delivery: ClaimedDelivery) => {
    const { url, secret, previousSecret, eventId } = delivery;
    const secrets = previousSecret === null ? [secret] : [secret, previousSecret];
    const request = { url, secrets, id: eventId, body: writeEnvelope(delivery) };
    const attempt = () => sender.send(request, stop.signal);
    const startedAt = performance.now();
    const about = { webhookId: endpoint.id, eventType: delivery.eventType };
    const result = await (tracer ? tracer.runAttempt(about, attempt) : attempt());
    if (stop.signal.aborted && result.status === null) return store.release([delivery]);
    if (webhookAttempted.hasSubscribers) {
      const { isSuccess, status } = result;
      const durationMs = performance.now() - startedAt;
      webhookAttempted.publish({ webhookId: endpoint.id, isSuccess, status, durationMs });
    }
    if (!result.isSuccess) hasFailed = true;
    if (result.status === goneStatus) drop();
    results.add({ delivery, result });
  };
  const work = async () => {
    for (;;) {
      // Before a claim, whose deliveries would wait for the slot during their lease.
      const release = await slots.acquire(hasFailed || endpoint.isUnavailable);
      try {
        const delivery = await next();
        if (delivery === undefined) return;
        await send(delivery);
      } finally {
        release();
      }
    }
  };
  const wake = () => {
    while (workers.size < maxConcurrentAttempts && !stop.isStopping()) {
      const worker = work()
        .catch(store.onError)
        .finally(() => workers.delete(worker));
      workers.add(worker);
    }
  };
  const drop = () => {
    changes++;
    releasing = Promise.all([releasing, store.release(queue.splice(0)).catch(store.onError)]);
  };
  return {
    wake,
    update(current) {
      if (current?.updatedAt.getTime() !== endpoint.updatedAt.getTime()) drop();
      if (current !== undefined) endpoint = current;
    },
    isIdle: () => workers.size === 0 && results.isEmpty(),
    async finish() {
      await Promise.all([...workers, releasing]);
      await results.close();
    },
  };
}

function toRecord({ id, attempts }: ClaimedDelivery, result: AttemptResult): AttemptRecord {
  const { isSuccess, status, body, error, retryAfterMs = 0 } = result;
  const minDelayMs = Math.min(retryAfterMs, maxRetryAfterMs);
  return {
    id: String(id),
    attempts,
    ...(isSuccess ? delivered : retryAfter(attempts, retryDelaysMs, minDelayMs)),
    responseStatus: status,
    responseBody: body,
    error,
  };
}
