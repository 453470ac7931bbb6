import pg from 'pg';

/** PostgreSQL settings by name, such as `lock_timeout`. */
export type SessionSettings = Readonly<Record<string, string>>;

type QueryText = string | { readonly text: string };
type Callback = (error: Error | null | undefined, result?: pg.QueryResult) => void;

/**
 * Makes a client of a pooler apply `settings` in each transaction, and run each other statement in a transaction: the
 * pooler may assign every transaction another session, and a setting of a session would remain for other clients of the
 * pooler. The statements of such a transaction are sent together, so that it costs no additional round trip.
 */
export function applyInTransactions(client: pg.ClientBase, settings: SessionSettings): void {
  const send = client.query.bind(client) as (query: QueryText, values?: unknown[]) => Promise<pg.QueryResult>;
  const apply = Object.entries(settings).map(setLocal);
  const begin = (text: string) => [text, ...apply].join('; ');

  const runAlone = async (query: QueryText, values: unknown[] | undefined) => {
    const [begun, result, committed] = await Promise.allSettled([
      send(begin('BEGIN')),
      send(query, values),
      send('COMMIT'),
    ]);
    // The first failure is the cause of the others.
    if (begun.status === 'rejected') throw begun.reason;
    if (result.status === 'rejected') throw result.reason;
    if (committed.status === 'rejected') throw committed.reason;
    return result.value;
  };
  const run = async (query: QueryText, values: unknown[] | undefined) => {
    const text = typeof query === 'string' ? query : query.text;
    if (client.getTransactionStatus() !== 'I' || runsOutsideTransactions.test(text))
      return send(query, values);
    if (!startsTransaction.test(text)) return runAlone(query, values);
    // Several statements have several results.
    const results = (await send(begin(text))) as unknown as readonly pg.QueryResult[];
    return results[0]!;
  };

  const query = (config: QueryText, values?: unknown[] | Callback, callback?: Callback) => {
    const [parameters, respond] = typeof values === 'function' ? [undefined, values] : [values, callback];
    const result = run(config, parameters);
    if (respond === undefined) return result;
    result.then(
      (value) => respond(undefined, value),
      (error: unknown) => respond(error as Error),
    );
    return undefined;
  };
  Object.assign(client, { query, pipeline: true });
}

const startsTransaction = /^\s*(BEGIN|START\s+TRANSACTION)\b/i;
/** Such as CREATE INDEX CONCURRENTLY. */
const runsOutsideTransactions = /^[^'"$;]*\bCONCURRENTLY\b/i;

/** Writes a setting for the current transaction. */
function setLocal([name, value]: [string, string]): string {
  // The defaults of transactions, such as their isolation level, are read at their start.
  const current = name.replace(/^default_transaction_/, 'transaction_');
  // A list of quoted identifiers is not a string.
  return `SET LOCAL ${current} TO ${name === 'search_path' ? value : pg.escapeLiteral(value)}`;
}
