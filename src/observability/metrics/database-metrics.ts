import type { PoolState } from '../../database/database.ts';
import type { PrismaClient } from '../../generated/prisma/client.ts';
import { measuredTables, partitionedTables } from './metric-table.ts';
import type { MetricSet } from './metric-set.ts';
import {
  writeBacklog,
  writeRadiusBacklog,
  writeTableSizes,
  type Backlog,
  type RadiusBacklog,
  type TableSize,
} from './storage-statements.ts';

/** How long a result is used: several scrapers, and short intervals, do not add to the load. */
const backlogMs = 5000;
const sizesMs = 30_000;
/** A scrape waits this long for a statement. Its result is that of the next scrape. */
const waitMs = 2000;

/** Sets the gauges of the connections, which need no statement, whenever the metrics are read. */
export function measureConnections(metrics: MetricSet, read: () => PoolState): void {
  const available = metrics.gauge('group_api_database_available');
  const standby = metrics.gauge('group_api_database_standby');
  const idle = metrics.gauge('group_api_database_connections', 'idle');
  const busy = metrics.gauge('group_api_database_connections', 'busy');
  const max = metrics.gauge('group_api_database_connections_max');
  const waiting = metrics.gauge('group_api_database_waiting');
  metrics.onCollect(() => {
    const numbers = read();
    available.set(numbers.state === 'unavailable' ? 0 : 1);
    standby.set(numbers.state === 'standby' ? 1 : 0);
    idle.set(numbers.idle);
    busy.set(numbers.total - numbers.idle);
    max.set(numbers.maximum);
    waiting.set(numbers.waiting);
  });
}

/**
 * Sets the gauges of what is stored, by two statements that read no more than indexes and the catalogue. They have no
 * samples while the database does not respond. `eventOperations` are the operations of the audit log that are events.
 */
export function measureStorage(
  metrics: MetricSet,
  prisma: PrismaClient,
  eventOperations: readonly string[],
): void {
  const readSizes = cache(sizesMs, () => prisma.$queryRaw<TableSize[]>(writeTableSizes(measuredTables)));
  metrics.onCollect(async () => {
    const sizes = await readSizes();
    const sizeOf = (table: string) => sizes?.find((size) => size.table === table);
    for (const table of measuredTables) {
      metrics.gauge('group_api_table_rows', table).set(sizeOf(table)?.rows ?? undefined);
      metrics.gauge('group_api_table_bytes', table).set(sizeOf(table)?.bytes);
    }
    for (const table of partitionedTables)
      metrics
        .gauge('group_api_partitions_end_timestamp_seconds', table)
        .set(sizeOf(table)?.partitionsEnd ?? undefined);
  });

  const states = ['healthy', 'retrying', 'failing', 'disabled'] as const;
  const endpoints = states.map(
    (state) => [state, metrics.gauge('group_api_webhook_endpoints', state)] as const,
  );
  const pending = metrics.gauge('group_api_webhook_deliveries_pending');
  const retiredDue = metrics.gauge('group_api_retired_groups_due');
  const readLag = metrics.gauge('group_api_event_lag_seconds', 'read');
  const deliveryLag = metrics.gauge('group_api_event_lag_seconds', 'delivery');
  const readBacklog = cache(backlogMs, async () => {
    const [backlog] = await prisma.$queryRaw<[Backlog]>(writeBacklog(eventOperations));
    return backlog;
  });
  metrics.onCollect(async () => {
    const backlog = await readBacklog();
    for (const [state, gauge] of endpoints) gauge.set(backlog?.[state]);
    pending.set(backlog?.pending);
    retiredDue.set(backlog?.retiredDue);
    // Nothing waits: there is no lag.
    readLag.set(backlog && (backlog.readLag ?? 0));
    deliveryLag.set(backlog && (backlog.deliveryLag ?? 0));
  });
}

/** Sets the gauges of the deliveries by RADIUS, which have no samples while the database does not respond. */
export function measureRadiusBacklog(metrics: MetricSet, prisma: PrismaClient): void {
  const first = metrics.gauge('group_api_radius_deliveries_pending', 'first');
  const retry = metrics.gauge('group_api_radius_deliveries_pending', 'retry');
  const readBacklog = cache(backlogMs, async () => {
    const [backlog] = await prisma.$queryRaw<[RadiusBacklog]>(writeRadiusBacklog());
    return backlog;
  });
  metrics.onCollect(async () => {
    const backlog = await readBacklog();
    first.set(backlog?.first);
    retry.set(backlog?.retry);
  });
}

/**
 * Returns a function that reads at most once in `lifetimeMs`, one reading at a time. It returns undefined if the
 * reading failed, or takes longer than `waitMs` and there is no result that is not much older than `lifetimeMs`.
 */
function cache<Result>(lifetimeMs: number, read: () => Promise<Result>): () => Promise<Result | undefined> {
  let result: Result | undefined;
  let readAt = -Infinity;
  let reading: Promise<void> | undefined;
  const isYoungerThan = (ageMs: number) => performance.now() - readAt < ageMs;

  const start = async () => {
    try {
      result = await read();
      readAt = performance.now();
    } catch {
      // The watchdog logs an unavailable database.
      result = undefined;
    } finally {
      reading = undefined;
    }
  };
  return async () => {
    if (isYoungerThan(lifetimeMs) && result !== undefined) return result;
    reading ??= start();
    let timer: NodeJS.Timeout | undefined;
    const timeout = new Promise<void>((resolve) => (timer = setTimeout(resolve, waitMs)));
    await Promise.race([reading, timeout]);
    clearTimeout(timer);
    return isYoungerThan(lifetimeMs + waitMs) ? result : undefined;
  };
}
