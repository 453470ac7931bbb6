import { logFailure } from '../deliveries/log-failure.ts';
import { createResultBatch } from '../deliveries/result-batch.ts';
import type { Logger } from '../log.ts';
import { radiusAttempted, type RadiusAttempt } from '../measurements/channels.ts';
import type { DeliveryResult, DueDelivery } from './delivery-statements.ts';
import type { DeliveryStore } from './delivery-store.ts';
import { sessionNotFound } from './error-causes.ts';
import type { NasClient } from './nas-client.ts';
import { createSecretFinder, type FindSecret, type ResolveName } from './nas-list.ts';
import { sendDelivery } from './send-delivery.ts';

/** Sends the due deliveries that this process has claimed. */
export type Sending = {
  /**
   * Starts attempts of deliveries that are due, as many as the limits permit. Returns whether a limit is reached, so
   * that more may be due.
   */
  run(signal: AbortSignal): Promise<boolean>;
  /** The deliveries of attempts that run, or whose results are not stored yet. */
  inFlight(): bigint[];
  /** Resolves once no attempt is running, and all results are stored, or could not be. */
  finish(): Promise<void>;
};

/** Attempts at a time at one NAS, which has 256 identifiers; and at one that did not respond to the last attempt. */
const maxConcurrentAtNas = 64;
const maxConcurrentAtSilentNas = 4;
/** Attempts at a time at all NAS. */
const maxConcurrentAttempts = 2048;
/** How long the rows of `nas`, with the addresses of its names, are used. */
const nasListMs = 10_000;

/** Creates the sending. `prefersCoa`: CoA-Requests are preferred to Disconnect-Requests. */
export function createSending({
  store,
  client,
  resolve,
  prefersCoa,
  log,
}: {
  readonly store: DeliveryStore;
  readonly client: NasClient;
  readonly resolve: ResolveName;
  readonly prefersCoa: boolean;
  readonly log: Logger;
}): Sending {
  /** By the ids of the deliveries. */
  const attempts = new Map<bigint, { readonly uniqueId: string; readonly ended: Promise<void> }>();
  const countByNas = new Map<string, number>();
  const silentNas = new Set<string>();
  const logUnexpected = (error: unknown) => logFailure(log, 'sending to NAS failed', error);
  /** Those that could not be stored stay in flight, so that nothing is sent again. */
  const results = createResultBatch<DeliveryResult>(async (batch) => {
    await store.record(batch);
    for (const { id } of batch) attempts.delete(BigInt(id));
  }, logUnexpected);

  let findSecret: FindSecret = () => undefined;
  let listedAt = -Infinity;
  /** Reads the rows again if they are old, or lack one that is needed, which may be new. */
  const readNasList = async (due: readonly DueDelivery[]) => {
    const isOld = performance.now() - listedAt >= nasListMs;
    if (!isOld && due.every(({ nasAddress }) => findSecret(nasAddress))) return;
    findSecret = await createSecretFinder(await store.listNas(), resolve);
    listedAt = performance.now();
  };

  const limitOf = (address: string) =>
    silentNas.has(address) ? maxConcurrentAtSilentNas : maxConcurrentAtNas;
  /**
   * Returns those of the due deliveries for which there is a place now, one for each session: a packet that is sent
   * again must not arrive after one with a later plan.
   */
  const choose = (due: readonly DueDelivery[]): DueDelivery[] => {
    const planned = new Map<string, number>();
    const sessions = new Set<string>();
    return due.filter(({ nasAddress, uniqueId }) => {
      const count = (countByNas.get(nasAddress) ?? 0) + (planned.get(nasAddress) ?? 0);
      if (sessions.has(uniqueId) || count >= limitOf(nasAddress)) return false;
      planned.set(nasAddress, (planned.get(nasAddress) ?? 0) + 1);
      sessions.add(uniqueId);
      return true;
    });
  };
  const count = (address: string, change: 1 | -1) => {
    const next = (countByNas.get(address) ?? 0) + change;
    if (next === 0) countByNas.delete(address);
    else countByNas.set(address, next);
  };
  const findBusyNas = () =>
    [...countByNas.keys()].filter((address) => countByNas.get(address)! >= limitOf(address));
  const noteResult = (delivery: DueDelivery, result: DeliveryResult, startedAt: number) => {
    const { nasAddress, isOpen } = delivery;
    const { request, response, status, error } = result;
    if (isOpen && request !== null) {
      if (response === null) silentNas.add(nasAddress);
      else silentNas.delete(nasAddress);
    }
    if (status === 'failed')
      log.warn(
        { delivery: result.id, nas: nasAddress, reason: error },
        'a session was not changed by RADIUS',
      );
    if (radiusAttempted.hasSubscribers) {
      const durationMs = performance.now() - startedAt;
      radiusAttempted.publish({
        request: request ?? 'none',
        outcome: outcomeOf(delivery, result),
        status,
        durationMs,
      });
    }
    results.add(result);
  };

  return {
    async run(signal) {
      const places = maxConcurrentAttempts - attempts.size;
      if (places === 0) return true;
      const busySessions = [...attempts.values()].map(({ uniqueId }) => uniqueId);
      const filter = { busySessions, busyNas: findBusyNas(), limitOfNas: maxConcurrentAtNas, limit: places };
      const due = choose(await store.listDue(filter));
      if (due.length > 0) await readNasList(due);
      const changeable = prefersCoa ? due.filter(({ mustDisconnect }) => !mustDisconnect) : [];
      const names = changeable.map(({ username }) => username).filter((name) => name !== null);
      const plans = await store.findCurrentPlans([...new Set(names)]);
      if (signal.aborted) return false;
      for (const delivery of due) {
        const { id, uniqueId, nasAddress, username } = delivery;
        const plan = username === null ? undefined : plans.get(username);
        count(nasAddress, 1);
        const startedAt = performance.now();
        const ended = sendDelivery(delivery, { client, findSecret, prefersCoa, plan, signal })
          .then((result) => {
            if (result) noteResult(delivery, result, startedAt);
            else attempts.delete(id);
          })
          .catch((error: unknown) => {
            attempts.delete(id);
            logUnexpected(error);
          })
          .finally(() => count(nasAddress, -1));
        attempts.set(id, { uniqueId, ended });
      }
      return attempts.size >= maxConcurrentAttempts || findBusyNas().length > 0;
    },
    inFlight: () => [...attempts.keys()],
    async finish() {
      await Promise.all([...attempts.values()].map(({ ended }) => ended));
      await results.close();
    },
  };
}

function outcomeOf(
  { isOpen }: DueDelivery,
  { request, response, errorCause }: DeliveryResult,
): RadiusAttempt['outcome'] {
  if (!isOpen) return 'session-ended';
  if (request === null) return 'not-sent';
  if (response === 'nak' && errorCause === sessionNotFound) return 'session-not-found';
  return response ?? 'no-response';
}
