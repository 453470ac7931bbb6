import { maxAttempts, readRetryDelay } from './retry-schedule.ts';
import type { AttemptResult, AttemptSender } from './send-attempt.ts';
import type { AttemptRecord, ClaimedDelivery } from './delivery-statements.ts';
import type { DeliveryStore } from './delivery-store.ts';
import { writeEnvelope } from './envelope.ts';
import type { Slots } from './slots.ts';

/** Sends the due deliveries of one endpoint. */
export type DeliveryLane = {
  /** Starts workers, if deliveries may be due. */
  wake(): void;
  /** Whether no worker is running. */
  isIdle(): boolean;
  /** Resolves once no worker is running, and all results are stored. */
  finish(): Promise<void>;
};

/** Attempts at a time, of a server at an endpoint. */
const maxConcurrentAttempts = 2;
const claimSize = 20;
/** Claimed deliveries are sent within this time, or given back: an attempt needs up to 15 s of the lease. */
const claimUseMs = 10_000;
/** A killed server's deliveries are sent again after this time. */
const leaseMs = 40_000;
const goneStatus = 410;

/**
 * Creates the sender of one endpoint's deliveries: up to two at a time, in the order of their events. `signal` abandons
 * running attempts, which are given back; `slots` limits the attempts of all endpoints.
 */
export function createDeliveryLane(
  endpointId: number,
  store: DeliveryStore,
  sender: AttemptSender,
  slots: Slots,
  stop: { readonly isStopping: () => boolean; readonly signal: AbortSignal },
): DeliveryLane {
  const workers = new Set<Promise<void>>();
  let queue: ClaimedDelivery[] = [];
  let queuedAt = 0;
  let claiming: Promise<void> | undefined;

  const results: { readonly delivery: ClaimedDelivery; readonly result: AttemptResult }[] = [];
  let recording: Promise<void> | undefined;

  /** Stores results, together with those that arrive while the statement before runs. */
  const record = async () => {
    while (results.length > 0) {
      const batch = results.splice(0);
      await store.record(
        endpointId,
        batch.map(({ delivery, result }) => toRecord(delivery, result)),
        {
          isAvailable: batch.at(-1)!.result.isSuccess,
          wasUnavailable: batch.some(({ delivery }) => delivery.isUnavailable),
          isGone: batch.some(({ result }) => result.status === goneStatus),
        },
      );
    }
  };
  const startRecording = () => {
    recording ??= record().finally(() => (recording = undefined));
    return recording;
  };

  const claim = async () => {
    // A delivery that waits for one of these is found once their results are stored.
    await startRecording();
    queue = await store.claim(endpointId, claimSize, leaseMs);
    queuedAt = performance.now();
    if (queue.length > 1) wake();
  };
  const next = async (): Promise<ClaimedDelivery | undefined> => {
    if (queue.length > 0 && (stop.isStopping() || performance.now() - queuedAt > claimUseMs))
      await store.release(queue.splice(0));
    if (queue.length === 0 && !stop.isStopping())
      await (claiming ??= claim().finally(() => (claiming = undefined)));
    return queue.shift();
  };
  const work = async () => {
    for (;;) {
      const delivery = await next();
      if (delivery === undefined) return;
      const release = await slots.acquire();
      try {
        if (stop.isStopping() || performance.now() - queuedAt > claimUseMs) {
          await store.release([delivery]);
          continue;
        }
        const { url, secret, previousSecret, eventId } = delivery;
        const secrets = previousSecret === null ? [secret] : [secret, previousSecret];
        const body = writeEnvelope(delivery);
        const result = await sender.send({ url, secrets, id: eventId, body }, stop.signal);
        if (stop.signal.aborted && result.status === null) await store.release([delivery]);
        else {
          results.push({ delivery, result });
          void store.onError(startRecording());
        }
      } finally {
        release();
      }
    }
  };
  const wake = () => {
    while (workers.size < maxConcurrentAttempts && !stop.isStopping()) {
      const worker = store.onError(work()).finally(() => workers.delete(worker));
      workers.add(worker);
    }
  };
  return {
    wake,
    isIdle: () => workers.size === 0,
    async finish() {
      await Promise.all(workers);
      await store.onError(startRecording());
    },
  };
}

function toRecord({ id, attempts }: ClaimedDelivery, result: AttemptResult): AttemptRecord {
  const { isSuccess, status, body, error, retryAfterMs } = result;
  const delayMs = isSuccess ? undefined : readRetryDelay(attempts, retryAfterMs);
  const isFinal = attempts >= maxAttempts || delayMs === undefined;
  return {
    id: String(id),
    attempts,
    status: isSuccess ? 'delivered' : isFinal ? 'failed' : 'pending',
    delayMs: delayMs ?? null,
    responseStatus: status,
    responseBody: body,
    error,
  };
}
