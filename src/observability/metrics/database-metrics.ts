import type { PoolState } from '../../database/database.ts';
import type { PrismaClient } from '../../generated/prisma/client.ts';
import { measuredTables, partitionedTables } from './metric-table.ts';
import type { Cell, Registry } from './registry.ts';
import { writeBacklog, writeTableSizes, type Backlog, type TableSize } from './storage-statements.ts';

/** How long a result is used: several scrapers, and short intervals, do not add to the load. */
const backlogMs = 5000;
const sizesMs = 30_000;
/** A scrape waits this long for a statement. Its result is that of the next scrape. */
const waitMs = 2000;

/** Sets the gauges of the connections, which need no statement, whenever the metrics are read. */
export function measureConnections(registry: Registry, read: () => PoolState): void {
  const available = registry.gauge('group_api_database_available').cell();
  const standby = registry.gauge('group_api_database_standby').cell();
  const idle = registry.gauge('group_api_database_connections').cell('idle');
  const busy = registry.gauge('group_api_database_connections').cell('busy');
  const max = registry.gauge('group_api_database_connections_max').cell();
  const waiting = registry.gauge('group_api_database_waiting').cell();
  registry.onCollect(() => {
    const numbers = read();
    available.value = numbers.state === 'unavailable' ? 0 : 1;
    standby.value = numbers.state === 'standby' ? 1 : 0;
    idle.value = numbers.idle;
    busy.value = numbers.total - numbers.idle;
    max.value = numbers.maximum;
    waiting.value = numbers.waiting;
  });
}

/**
 * Sets the gauges of what is stored, by two statements that read no more than indexes and the catalogue. They have no
 * samples while the database does not respond. `eventOperations` are the operations of the audit log that are events.
 */
export function measureStorage(
  registry: Registry,
  prisma: PrismaClient,
  eventOperations: readonly string[],
): void {
  const rows = registry.gauge('group_api_table_rows');
  const bytes = registry.gauge('group_api_table_bytes');
  const partitionsEnd = registry.gauge('group_api_partitions_end_timestamp_seconds');
  const readSizes = cache(sizesMs, () => prisma.$queryRaw<TableSize[]>(writeTableSizes(measuredTables)));
  registry.onCollect(async () => {
    const sizes = await readSizes();
    const sizeOf = (table: string) => sizes?.find((size) => size.table === table);
    for (const table of measuredTables) {
      rows.cell(table).value = sizeOf(table)?.rows ?? NaN;
      bytes.cell(table).value = sizeOf(table)?.bytes ?? NaN;
    }
    for (const table of partitionedTables)
      partitionsEnd.cell(table).value = sizeOf(table)?.partitionsEnd ?? NaN;
  });

  const endpoints = registry.gauge('group_api_webhook_endpoints');
  const lag = registry.gauge('group_api_event_lag_seconds');
  const states = ['healthy', 'retrying', 'failing', 'disabled'] as const;
  const cells: readonly (readonly [Cell, (backlog: Backlog) => number])[] = [
    ...states.map((state) => [endpoints.cell(state), (backlog: Backlog) => backlog[state]] as const),
    [registry.gauge('group_api_webhook_deliveries_pending').cell(), ({ pending }) => pending],
    [registry.gauge('group_api_retired_groups_due').cell(), ({ retiredDue }) => retiredDue],
    // Nothing waits: there is no lag.
    [lag.cell('read'), ({ readLag }) => readLag ?? 0],
    [lag.cell('delivery'), ({ deliveryLag }) => deliveryLag ?? 0],
  ];
  const readBacklog = cache(backlogMs, async () => {
    const [backlog] = await prisma.$queryRaw<[Backlog]>(writeBacklog(eventOperations));
    return backlog;
  });
  registry.onCollect(async () => {
    const backlog = await readBacklog();
    for (const [cell, valueOf] of cells) cell.value = backlog === undefined ? NaN : valueOf(backlog);
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
