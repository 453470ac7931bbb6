import { setTimeout as sleep } from 'node:timers/promises';
import { testKey, plainGroup, type Json } from '../support/test-app.ts';

/** One mutation with its Idempotency-Key, which is also its X-Request-Id, as a careful client remembers it. */
export type Call = {
  readonly key: string;
  readonly operation: string;
  readonly args: object;
  /** The groups that it deletes or restores, or the one that it created. */
  groupIds: readonly number[];
  /** The first response that is not "try again"; unset if the client gave up. */
  response?: { readonly status: number; readonly body: Json };
  readonly sentAt: number;
  answeredAt?: number;
};

/** What the clients know at the end. */
export type History = {
  readonly calls: Call[];
  /** When each mutation succeeded, in milliseconds. */
  readonly successes: number[];
  /** Responses that are neither a success nor "try again", by status, code and operation. */
  readonly unexpected: Map<string, number>;
};

/** Clients in the background. */
export type Workload = {
  readonly history: History;
  /** Lets each client complete its round, and waits for that. After two minutes they give up. */
  finish(): Promise<void>;
  /** Lets all clients give up. */
  stop(): void;
};

const clientCount = 8;
const pauseMs = 20;
const retryPauseMs = 100;
const responseLimitMs = 5000;
const finishLimitMs = 120_000;
/** One of so many calls is given up at its first failure: its outcome stays unknown to the client. */
const givesUpOneOf = 3;
const retryAgainCodes = ['IDEMPOTENCY_IN_PROGRESS', 'SERVICE_UNAVAILABLE'];

/** Sends a call once. Returns undefined if there is no response, or one that says to try again. */
export async function send(port: number, { operation, args, key }: Call) {
  try {
    const response = await fetch(`http://127.0.0.1:${port}/${operation}`, {
      method: 'POST',
      headers: {
        'Content-Type': 'application/json',
        'X-APIKEY': testKey,
        'Idempotency-Key': key,
        'X-Request-Id': key,
      },
      body: JSON.stringify(args),
      signal: AbortSignal.timeout(responseLimitMs),
    });
    const body = (await response.json()) as Json;
    if (retryAgainCodes.includes(body.errors?.[0].extensions.code)) return undefined;
    return { status: response.status, body, isReplayed: response.headers.has('idempotency-replayed') };
  } catch {
    return undefined;
  }
}

/**
 * Starts clients that create, subscribe, delete (plainly, moving subscribers, several at once) and restore groups
 * through all servers. Each repeats a call with its key until there is an answer, except for the calls that it gives up.
 */
export function startWorkload(ports: readonly number[]): Workload {
  const history: History = { calls: [], successes: [], unexpected: new Map() };
  const finishing = new AbortController();
  const stopping = new AbortController();

  const call = async (key: string, operation: string, args: object, groupIds: readonly number[] = []) => {
    const made: Call = { key, operation, args, groupIds, sentAt: Date.now() };
    history.calls.push(made);
    const mayGiveUp = history.calls.length % givesUpOneOf === 0;
    for (let attempt = 0; ; attempt++) {
      const response = await send(ports[(history.calls.length + attempt) % ports.length]!, made);
      if (response) {
        made.response = { status: response.status, body: response.body };
        made.answeredAt = Date.now();
        if (response.status === 200) {
          history.successes.push(made.answeredAt);
          return response.body.data[operation];
        }
        const code = response.body.errors?.[0].extensions.code;
        const name = `${response.status} ${code} ${operation}`;
        history.unexpected.set(name, (history.unexpected.get(name) ?? 0) + 1);
        throw new RoundOver();
      }
      if (mayGiveUp || stopping.signal.aborted) throw new RoundOver();
      await sleep(retryPauseMs);
    }
  };

  const create = async (key: string) => {
    const group = await call(key, 'createGroup', { group: { ...plainGroup, name: key } });
    history.calls.findLast((made) => made.key === key)!.groupIds = [group.id];
    return group.id as number;
  };

  const runRound = async (round: string) => {
    const [first, second] = [await create(`${round}-first`), await create(`${round}-second`)];
    const username = `user-${round}`;
    await call(`${round}-subscribe`, 'subscribe', { username, groupId: first });
    await call(`${round}-move`, 'deleteGroup', { id: first, moveSubscribersTo: second }, [first]);
    await call(`${round}-unsubscribe`, 'removeUserSubscription', { username, groupId: second });
    await call(`${round}-plain`, 'deleteGroup', { id: second }, [second]);
    await call(`${round}-restore`, 'restoreGroup', { id: first }, [first]);
    await call(`${round}-several`, 'deleteGroups', { ids: [first] }, [first]);
  };

  const clients = Array.from({ length: clientCount }, async (_, client) => {
    for (let round = 0; !finishing.signal.aborted; round++) {
      await runRound(`${client}-${round}`).catch((error: unknown) => {
        if (!(error instanceof RoundOver)) throw error;
      });
      await sleep(pauseMs);
    }
  });
  const done = Promise.all(clients);
  done.catch(() => undefined);
  return {
    history,
    async finish() {
      finishing.abort();
      const limit = setTimeout(() => stopping.abort(), finishLimitMs);
      await done.finally(() => clearTimeout(limit));
    },
    stop() {
      finishing.abort();
      stopping.abort();
    },
  };
}

/** A client gave up a call, or got an error: the rest of its round makes no sense. */
class RoundOver extends Error {}
