import { listExpectedEvents } from '../support/expected-events.ts';
import { subscribe } from '../support/subscription.ts';
import type { Cluster } from './cluster.ts';
import { send, type Call, type History } from './workload.ts';

/** What the database and the clients disagree about; all zero if each acknowledged call was executed exactly once. */
export type Findings = {
  /** Deletes that were acknowledged, but the group exists or is not in the archive. */
  readonly lostDeletes: number;
  /** Calls that were acknowledged, but have no audit event `done`. */
  readonly lostCalls: number;
  /** Keys with more than one audit event `done`. */
  readonly repeatedCalls: number;
  /** Calls without a response that were executed in part: key, audit event and effect differ. */
  readonly partialCalls: number;
  /** Subscribers without a group. */
  readonly orphans: number;
  /** Ids that two created groups have got. */
  readonly repeatedIds: number;
  /** Repeated calls whose response is not the first one. */
  readonly differentReplays: number;
  /** Executed calls that the feed of events lacks, and events of other calls, or in another order. */
  readonly differentEvents: number;
};

const deletes = ['deleteGroup', 'deleteGroups'];
/** Repeating a call costs a transaction: so many are enough. */
const maxReplays = 300;

/** Compares what the clients know with the database, and repeats calls. Call it when all clients have finished. */
export async function findDisagreements(cluster: Cluster, { calls }: History): Promise<Findings> {
  const answered = calls.filter(({ response }) => response?.status === 200);
  const unanswered = calls.filter(({ response }) => response === undefined);
  const ids = calls.flatMap(({ groupIds }) => groupIds);
  const keys = calls.map(({ key }) => key);

  const live = new Set(
    (await cluster.sql<{ id: number }>('SELECT id FROM groups WHERE id = ANY ($1)', [ids])).map(
      ({ id }) => id,
    ),
  );
  const archived = new Set(
    (await cluster.sql<{ id: number }>('SELECT id FROM deleted_groups WHERE id = ANY ($1)', [ids])).map(
      ({ id }) => id,
    ),
  );
  const done = new Map(
    (
      await cluster.sql<{ key: string; count: number }>(
        `SELECT request_id AS key, count(*)::int AS count FROM audit_events
         WHERE request_id = ANY ($1) AND outcome = 'done' GROUP BY request_id`,
        [keys],
      )
    ).map(({ key, count }) => [key, count]),
  );
  const stored = new Set(
    (await cluster.sql<{ key: string }>('SELECT key FROM idempotency_keys WHERE key = ANY ($1)', [keys])).map(
      ({ key }) => key,
    ),
  );
  const [{ orphans }] = (await cluster.sql<{ orphans: number }>(
    `SELECT count(*)::int AS orphans FROM subscribers LEFT JOIN groups ON groups.id = group_id WHERE groups.id IS NULL`,
  )) as [{ orphans: number }];

  const isGone = (id: number) => !live.has(id) && archived.has(id);
  /** The last call of each group, which decides whether it exists. */
  const last = new Map(calls.flatMap((call) => call.groupIds.map((id) => [id, call] as const)));
  const decides = (call: Call) => call.groupIds.every((id) => last.get(id) === call);
  const createdIds = answered
    .filter(({ operation }) => operation === 'createGroup')
    .flatMap(({ groupIds }) => groupIds);

  return {
    lostDeletes: answered.filter(
      (call) => deletes.includes(call.operation) && decides(call) && !call.groupIds.every(isGone),
    ).length,
    lostCalls: answered.filter(({ key }) => !done.has(key)).length,
    repeatedCalls: [...done.values()].filter((count) => count > 1).length,
    partialCalls: unanswered.filter((call) => {
      const isDone = done.has(call.key);
      const hasEffect =
        deletes.includes(call.operation) && decides(call) ? call.groupIds.every(isGone) : isDone;
      return isDone !== stored.has(call.key) || isDone !== hasEffect;
    }).length,
    orphans,
    repeatedIds: createdIds.length - new Set(createdIds).size,
    differentEvents: await countDifferentEvents(cluster),
    differentReplays: await countDifferentReplays(cluster, answered),
  };
}

/** Reads all events after the first one from a server, and compares them with the audit log. */
async function countDifferentEvents(cluster: Cluster): Promise<number> {
  const [first, ...expected] = await listExpectedEvents(cluster.sql);
  const listener = await subscribe(
    `http://127.0.0.1:${cluster.servers[0]!.port}`,
    'subscription ($after: ID) { groupEvents(after: $after) { id } }',
    { variables: { after: first } },
  );
  const received = (await listener.receive(expected.length)).map(({ id }) => id);
  listener.close();
  const length = Math.max(received.length, expected.length);
  return Array.from({ length }, (_, index) => index).filter((index) => received[index] !== expected[index])
    .length;
}

async function countDifferentReplays(cluster: Cluster, answered: readonly Call[]): Promise<number> {
  const step = Math.ceil(answered.length / maxReplays);
  let different = 0;
  for (const call of answered.filter((_, index) => index % step === 0)) {
    const replay = await send(cluster.servers[0]!.port, call);
    const isSame = replay?.isReplayed && JSON.stringify(replay.body) === JSON.stringify(call.response!.body);
    if (!isSame) different++;
  }
  return different;
}
