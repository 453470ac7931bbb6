import pg from 'pg';
import { streamOf } from './client.ts';

/** PostgreSQL settings by name, such as `lock_timeout`. */
export type SessionSettings = Readonly<Record<string, string>>;

type Query = string | pg.QueryConfig;
type Callback = (error: Error | undefined, result?: pg.QueryResult) => void;
type Pooled = { settings: SessionSettings; readonly send: Send };
type Send = (query: Query, values?: unknown[]) => Promise<pg.QueryResult>;

const pooledClients = new WeakMap<pg.ClientBase, Pooled>();

/**
 * Makes a client of a pooler apply `settings` in each transaction, and run each other statement in a transaction: the
 * pooler may assign every transaction another session, and a setting of a session would remain for other clients of the
 * pooler. The statements of such a transaction are sent together, so that it costs no additional round trip.
 */
export function applyInTransactions(client: pg.ClientBase, settings: SessionSettings): void {
  const send = client.query.bind(client) as Send;
  const pooled: Pooled = { settings, send };
  const begin = (text: string) => insertSettings(text, pooled.settings);

  const run = async (query: Query, values: unknown[] | undefined) => {
    if (client.getTransactionStatus() !== 'I') return send(query, values);
    const text = typeof query === 'string' ? query : query.text;
    if (!startsTransaction.test(text)) {
      return sendTogether(client, () => [send(begin('BEGIN')), send(query, values), send('COMMIT')]);
    }
    // Several statements have several results.
    const results = (await send(begin(text))) as unknown as readonly pg.QueryResult[];
    return results[0]!;
  };
  const query = (config: Query, values?: unknown[] | Callback, callback?: Callback) => {
    const [parameters, respond] = typeof values === 'function' ? [undefined, values] : [values, callback];
    const result = run(config, parameters);
    if (respond === undefined) return result;
    result.then(
      (value) => respond(undefined, value),
      (error: unknown) => respond(error as Error),
    );
    return undefined;
  };
  pooledClients.set(client, pooled);
  Object.assign(client, { query, pipeline: true });
}

/**
 * Inserts the settings after the statement that starts a transaction: what follows in the text overrides them. That
 * statement may choose the isolation level itself.
 */
function insertSettings(text: string, settings: SessionSettings): string {
  const [start = '', rest = ''] = text.split(/;(.*)/s);
  const assignments = Object.entries(settings)
    .filter(([name]) => name !== 'default_transaction_isolation' || !/\bISOLATION\b/i.test(start))
    .map(setLocal);
  return [start, ...assignments, rest].filter((statement) => statement.trim() !== '').join('; ');
}

const startsTransaction = /^\s*(BEGIN|START\s+TRANSACTION)\b/i;

/** Changes settings of a client for its current transaction and all further statements, also through a pooler. */
export async function changeSettings(client: pg.ClientBase, settings: SessionSettings): Promise<void> {
  const pooled = pooledClients.get(client);
  await client.query(
    'SELECT set_config(name, value, $3) FROM unnest($1::text[], $2::text[]) AS setting (name, value)',
    [Object.keys(settings), Object.values(settings), pooled !== undefined],
  );
  if (pooled) pooled.settings = { ...pooled.settings, ...settings };
}

/**
 * Runs a statement that PostgreSQL does not allow in a transaction, such as CREATE INDEX CONCURRENTLY. Through a
 * pooler, the settings are set in the session for the time of this statement: a pooler keeps the session of a client
 * that has sent more statements.
 */
export async function runOutsideTransaction(client: pg.ClientBase, query: Query): Promise<void> {
  const pooled = pooledClients.get(client);
  if (!pooled) {
    await client.query(query);
    return;
  }
  const { settings, send } = pooled;
  const assign = Object.entries(settings).map(([name, value]) => `SET ${name} TO ${toSql(name, value)}`);
  const reset = Object.keys(settings).map((name) => `RESET ${name}`);
  await sendTogether(client, () => [send(assign.join('; ')), send(query), send(reset.join('; '))]);
}

/** Sends three statements in one packet, and returns the result of the second one. */
async function sendTogether(
  client: pg.ClientBase,
  send: () => readonly [Promise<unknown>, Promise<pg.QueryResult>, Promise<unknown>],
): Promise<pg.QueryResult> {
  const stream = streamOf(client);
  stream.cork();
  const statements = send();
  stream.uncork();
  // The first failure is the cause of the others.
  const [, result] = await Promise.allSettled(statements).then(() => Promise.all(statements));
  return result;
}

function setLocal([name, value]: [string, string]): string {
  // The defaults of transactions, such as their isolation level, are read at their start.
  return `SET LOCAL ${name.replace(/^default_transaction_/, 'transaction_')} TO ${toSql(name, value)}`;
}

/** Quotes the value of a setting. */
function toSql(name: string, value: string): string {
  // A list of quoted identifiers is not a string.
  return name === 'search_path' ? value : pg.escapeLiteral(value);
}
