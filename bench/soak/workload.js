// Chooses the operations of the mixed load, executes them, and records what the clients know.
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { adminKey } from '../peers.js';
import { createOperations, shares } from './operations.js';

/** The groups at the start; at the end there are about as many. */
export const groupCount = 10_000;
const subscriberCount = 50_000;
/** Deleted groups in the archive, at the start and about as many at the end. */
const deletedCount = 1000;
const smallestShare = Math.min(...Object.values(shares));
const maxReasons = 20;
const retryPauseMs = 200;
/** For a machine that is busy for a minute. */
const maxAttempts = 300;

/** Fills the database, which has `groupCount` groups without subscribers, and returns the state of the workload. */
async function fill({ sql }) {
  // Some groups have many subscribers, and two fifths of the groups none.
  await sql(
    `INSERT INTO subscribers (username, group_id, starts_at)
     SELECT 'user-' || n, 1 + floor($1::int * 0.6 * power((n::bigint * 7919 % $2::int) / $2::float8, 2))::int, now()
     FROM generate_series(1, $2::int) n`,
    [groupCount, subscriberCount],
  );
  await sql('VACUUM ANALYZE');
  const state = {
    empty: createPool(),
    occupied: createPool(),
    deleted: createPool(),
    repeatable: [],
    lastUser: subscriberCount,
    lastGroup: groupCount,
    lastKey: 0,
  };
  const rows = await sql(
    `SELECT id, coalesce((SELECT array_agg(username) FROM subscribers WHERE group_id = id), '{}') AS usernames FROM groups`,
  );
  for (const group of rows) (group.usernames.length > 0 ? state.occupied : state.empty).put(group);
  return state;
}

/** Groups that no operation uses. Takes one at random. */
function createPool() {
  const groups = [];
  return {
    size: () => groups.length,
    put: (group) => void groups.push(group),
    take() {
      const index = Math.floor(Math.random() * groups.length);
      const group = groups[index];
      if (!group) throw new Error('the soak test is out of groups');
      const last = groups.pop();
      if (index < groups.length) groups[index] = last;
      return group;
    },
    [Symbol.iterator]: () => groups[Symbol.iterator](),
  };
}

/**
 * Opens the workload on a database with `groupCount` groups. `run(operation, scheduledAt)` executes one and never
 * rejects; the observer of `startMeasurement` gets the kind and the time of each success in ms, from when it was due.
 * Until then, and with `isPatient` always, a request that fails since the machine is busy is sent again.
 */
export async function openWorkload(database, client, { isPatient }) {
  const state = await fill(database);
  const operations = createOperations(state);
  const draw = openDeck();
  /** Errors by kind and message, and the number of acknowledged calls by mutation. */
  const errors = new Map();
  const acknowledged = new Map();
  let observe;

  /**
   * Sends a request; again, with the same key, if the machine is too busy and that is no error. Returns the response and
   * the number of attempts.
   */
  const send = async (text) => {
    for (let attempt = 1; ; attempt++) {
      const response = await client.send(text);
      const maySendAgain = (isPatient || observe === undefined) && attempt < maxAttempts;
      if (!maySendAgain || !isOverload(response)) return { ...response, attempt };
      await sleep(retryPauseMs);
    }
  };
  const call = async (field, query, variables, key, isRepeated = false) => {
    const isMutation = query.startsWith('mutation');
    // What is sent again needs a key: the first attempt may have been executed.
    const ownKey = isMutation && (isPatient || observe === undefined) ? randomUUID() : undefined;
    const response = await send(writeRequest(query, variables, key ?? ownKey));
    if (!/\r\ncontent-type: application\/json/i.test(response.head))
      throw new Error(`${response.status}, no JSON`);
    const { data, errors: failures } = JSON.parse(response.body);
    if (response.status !== 200 || failures)
      throw new Error(`${response.status} ${failures?.[0].extensions?.code}: ${failures?.[0].message}`);
    const isReplayed = /\r\nidempotency-replayed: true/i.test(response.head);
    if (isReplayed !== isRepeated && response.attempt === 1)
      throw new Error(isRepeated ? 'executed again' : 'not executed, but repeated from a stored response');
    if (isMutation && !isRepeated) count(acknowledged, field);
    return data[field];
  };

  // Concurrently: one after the other they would take minutes on a busy machine.
  await Promise.all(
    Array.from({ length: deletedCount }, (_, index) =>
      operations[index % 4 === 0 ? 'deleteGroup, idempotent' : 'deleteGroup'](call),
    ),
  );
  return {
    state,
    errors,
    acknowledged,
    startMeasurement: (observer) => (observe = observer),
    next: () => balance(draw(), state),
    async run(kind, dueAt) {
      try {
        await operations[kind](call);
        observe?.(kind, performance.now() - dueAt);
      } catch (error) {
        const reason = `${kind}: ${error.message.slice(0, 200)}`;
        // Messages may have ids: their number is limited.
        count(errors, errors.has(reason) || errors.size < maxReasons ? reason : `${kind}: other errors`);
      }
    },
  };
}

/** Whether a busy machine is the reason: for a server, HAProxy, the time limit of searches, or an earlier attempt. */
function isOverload({ status, body }) {
  return status === 503 || /"(?:QUERY_TOO_COMPLEX|IDEMPOTENCY_IN_PROGRESS)"/.test(body);
}

/** Opens a source of kinds in random order, each of which comes exactly by its share in any 200. */
function openDeck() {
  const cards = Object.entries(shares).flatMap(([kind, share]) => Array(share / smallestShare).fill(kind));
  let left = [];
  return () => {
    if (left.length === 0) left = [...cards];
    const [kind] = left.splice(Math.floor(Math.random() * left.length), 1);
    return kind;
  };
}

/** Replaces an operation that would let the amount of data leave its limits by one with the opposite effect. */
function balance(kind, { empty, occupied, deleted }) {
  const groups = empty.size() + occupied.size();
  const isDelete = kind.startsWith('deleteGroup') && kind !== 'deleteGroup, repeated';
  if (empty.size() < groupCount / 10) return isDelete || kind === 'purgeDeletedGroup' ? 'createGroup' : kind;
  if (kind === 'createGroup' && groups > groupCount) return 'deleteGroup';
  const leavesArchive = kind === 'restoreGroup' || kind === 'purgeDeletedGroup';
  return leavesArchive && deleted.size() < deletedCount / 2 ? 'deleteGroup' : kind;
}

function count(map, name) {
  map.set(name, (map.get(name) ?? 0) + 1);
}

function writeRequest(query, variables, key) {
  const body = JSON.stringify({ query, variables });
  const keyLine = key === undefined ? '' : `Idempotency-Key: ${key}\r\n`;
  return (
    `POST /graphql HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nX-APIKEY: ${adminKey}\r\n` +
    `${keyLine}Content-Length: ${body.length}\r\n\r\n${body}`
  );
}
