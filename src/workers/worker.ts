// One worker process, which the primary starts with its number as the argument: a server that shares the port.
import { openApp } from '../app.ts';
import { readConfig } from '../config/load-config.ts';
import { shareOfPool } from '../config/share-of-pool.ts';
import { openDatabase, type Database } from '../database/database.ts';
import { describeStartError } from '../database/missing-privilege.ts';
import type { Counted, RequestCounters } from '../http/hooks/rate-limits.ts';
import { createLogger } from '../process/logger.ts';
import { limitHeapGrowth } from '../process/heap-growth.ts';
import { listenToStop } from '../process/stop-signals.ts';
import { replacementArgument, type PrimaryMessage, type WorkerMessage } from './messages.ts';

limitHeapGrowth();

const isFirst = process.argv[2] === '1';
const isReplacement = process.argv[3] === replacementArgument;
const starting = new AbortController();
const hurry = new AbortController();
const stopping = new Promise<void>((resolve) => {
  // Ctrl-C reaches every process of a terminal.
  listenToStop(() => resolve(), { onRepeat: () => hurry.abort() });
  onMessage((message) => {
    if (message.type === 'stop') resolve();
    if (message.type === 'hurry') hurry.abort();
  });
});
void stopping.then(() => starting.abort());

let database: Database | undefined;
try {
  // Not `.env`, which the primary has read: a replacement has the settings of the other workers, whatever it is now.
  const config = readConfig(process.env, process.getuid?.() === 0);
  const log = await createLogger(config.LOG_LEVEL, process.stderr.isTTY, { showsPid: true });
  database = await openDatabase(
    {
      url: config.DATABASE_URL,
      dataDir: config.DATA_DIR,
      poolSize: shareOfPool(config),
      hasPreparedStatements: config.DATABASE_PREPARED_STATEMENTS,
      mustBeWritable: true,
      signal: starting.signal,
    },
    log,
  );
  const app = await openApp(config, database, log, {
    isFirst,
    isReplacement,
    isWorker: true,
    counters: createPrimaryCounters(),
  });
  const { readMetrics } = app;
  onMessage((message) => {
    if (message.type !== 'read-metrics' || !readMetrics) return;
    readMetrics()
      .then((registry) => registry.getMetricsAsJSON())
      .then(
        (snapshot) => send({ type: 'metrics', snapshot }),
        // The primary uses the counts that it has.
        (error: unknown) => log.error({ err: error }, 'the metrics cannot be read'),
      );
  });
  const { url, database: description, createdKey, sampleGroupId } = app;
  send({ type: 'serving', app: { url, database: description, createdKey, sampleGroupId } });
  await stopping;
  await app.close(hurry.signal);
  await database.close();
  process.exit(0);
} catch (error) {
  await database?.close();
  if (starting.signal.aborted && database === undefined) process.exit(0);
  send({ type: 'failed', text: describeStartError(error) }, () => process.exit(1));
}

/** Counts in the primary, so that all workers together have one limit. */
function createPrimaryCounters(): RequestCounters {
  const pending = new Map<number, (counted: Counted) => void>();
  let lastId = 0;
  onMessage((message) => {
    if (message.type !== 'counted') return;
    pending.get(message.id)?.({ current: message.current, ttl: message.ttl });
    pending.delete(message.id);
  });
  return {
    count: (event) =>
      new Promise((resolve) => {
        const id = ++lastId;
        pending.set(id, resolve);
        send({ type: 'count', id, ...event });
      }),
  };
}

function onMessage(listener: (message: PrimaryMessage) => void): void {
  process.on('message', listener);
}

/** Sends a message to the primary. If that has ended, so does this process: see the cluster module of Node. */
function send(message: WorkerMessage, onSent: () => void = () => undefined): void {
  process.send!(message, undefined, undefined, onSent);
}
