import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Registry } from 'prom-client';
import type { Config } from '../../config/settings.ts';
import type { PoolState } from '../../database/database.ts';
import type { PrismaClient } from '../../generated/prisma/client.ts';
import type { Load } from '../../http/hooks/load-shedding.ts';
import type { Logger } from '../../log.ts';
import { measureConnections, measureRadiusBacklog, measureStorage } from './database-metrics.ts';
import { measureChannels } from './measure-channels.ts';
import { createMetricSet, type MetricSet } from './metric-set.ts';
import { serveMetrics } from './metrics-server.ts';
import { measureProcess } from './process-metrics.ts';

/** What the metrics read of the parts of a server whenever they are read. */
type MetricSources = {
  readonly prisma: PrismaClient;
  readonly readPool: () => PoolState;
  readonly readLoad: () => Load;
  /** The deletes that wait for a statement, and the statements that run. */
  readonly readQueue: () => { readonly waiting: number; readonly running: number };
  readonly countSubscriptions: () => number;
  /** The certificate chain that the server uses, as PEM; undefined without TLS. */
  readonly readCertificate: () => Buffer | undefined;
  readonly schema: SchemaTypes;
  /** The operations of the audit log that are events. */
  readonly eventOperations: readonly string[];
};

/** The types of a schema whose fields are the root fields. */
type SchemaTypes = {
  readonly [Name in `get${'Query' | 'Mutation' | 'Subscription'}Type`]: () =>
    { getFields(): object } | null | undefined;
};

/** `worker`: one of several WORKERS, whose metrics the primary serves. The first one reads what is stored. */
type MetricsRole = { readonly isWorker: boolean; readonly isFirst: boolean };

/** What is measured of this process and its server. `close` ends all measurements. */
export type Metrics = { readonly collect: () => Promise<Registry>; close(): Promise<void> };

/**
 * Measures this process and its server, and serves the metrics unless this is a worker.
 * @throws OperatorError if METRICS_HOST or METRICS_PORT cannot be used
 */
export async function openMetrics(
  config: Config,
  sources: MetricSources,
  log: Logger,
  { isWorker, isFirst }: MetricsRole,
): Promise<Metrics> {
  const metrics = createMetricSet(rootFieldsOf(sources.schema));
  const { collect } = metrics;
  measureServer(metrics, config, sources);
  measureConnections(metrics, sources.readPool);
  if (isFirst) measureStorage(metrics, sources.prisma, sources.eventOperations);
  if (isFirst && (config.RADIUS_DISCONNECT ?? config.RADIUS)) measureRadiusBacklog(metrics, sources.prisma);
  const server = isWorker
    ? undefined
    : await serveMetrics({ host: config.METRICS_HOST, port: config.METRICS_PORT! }, collect, log);
  // Last, since these observe until they are stopped.
  const stops = [measureChannels(metrics), measureProcess(metrics, readVersion())];
  return {
    collect,
    async close() {
      for (const stop of stops) stop();
      await server?.close();
    },
  };
}

/** The root fields of introspection, which are not fields of the schema's types. */
const introspectionFields = ['__schema', '__type', '__typename'];
const autodialerOperations = ['add', 'update', 'remove', 'search', 'upload'].map(
  (service) => `autodialer/groups/${service}`,
);

function rootFieldsOf(schema: SchemaTypes): string[] {
  const types = [schema.getQueryType(), schema.getMutationType(), schema.getSubscriptionType()];
  const names = types.flatMap((type) => Object.keys(type?.getFields() ?? {}));
  return [...names, ...introspectionFields, ...autodialerOperations];
}

/** Returns the version of group-api. */
export function readVersion(): string {
  const file = readFileSync(new URL('../../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(file) as { version: string }).version;
}

/** Sets the gauges of the server whenever the metrics are read. */
function measureServer(metrics: MetricSet, config: Config, sources: MetricSources): void {
  metrics.gauge('group_api_workers').set(1);
  metrics.gauge('group_api_concurrent_requests_max').set(config.MAX_CONCURRENT_REQUESTS);
  metrics.gauge('group_api_open_subscriptions_max').set(config.MAX_SUBSCRIPTIONS);
  const buffered = metrics.gauge('group_api_concurrent_requests', 'buffered');
  const streamed = metrics.gauge('group_api_concurrent_requests', 'streamed');
  const waiting = metrics.gauge('group_api_delete_queue', 'waiting');
  const running = metrics.gauge('group_api_delete_queue', 'running');
  const subscriptions = metrics.gauge('group_api_open_subscriptions');
  const expiry = metrics.gauge('group_api_tls_certificate_expiry_timestamp_seconds');
  let certificate: Buffer | undefined;
  metrics.onCollect(() => {
    const load = sources.readLoad();
    buffered.set(load.buffered);
    streamed.set(load.streamed);
    const queue = sources.readQueue();
    waiting.set(queue.waiting);
    running.set(queue.running);
    subscriptions.set(sources.countSubscriptions());
    const current = sources.readCertificate();
    // Parsed once: it is another buffer after the file has changed.
    if (current !== certificate && current !== undefined)
      expiry.set(Date.parse(new X509Certificate(current).validTo) / 1000);
    certificate = current;
  });
}
