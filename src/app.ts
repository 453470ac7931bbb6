import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { openAdminAccount } from './accounts/admin-account.ts';
import { createAuthenticator } from './accounts/authentication.ts';
import type { JwtVerifier } from './accounts/jwt/verifier.ts';
import { deleteExpiredKeys } from './mutations/idempotency.ts';
import type { Config } from './config/settings.ts';
import type { Database } from './database/database.ts';
import { purgeDeliveries } from './deliveries/purge-statement.ts';
import { findSampleGroupId, loadSampleData } from './groups/sample-groups.ts';
import { OperatorError } from './errors.ts';
import { readAllowedOperations } from './graphql/request/allowed-operations.ts';
import { createTextCheck, type OperationLimits } from './graphql/limits/operation-limits.ts';
import { createKnownQueries } from './graphql/known-queries.ts';
import { createSchema } from './graphql/schema.ts';
import { openGraphQLServer } from './graphql/apollo.ts';
import { maintainPartitions, readRetentions, warnOfForeignTables } from './jobs/month-partitions.ts';
import { createRetiredGroupDeletion } from './group-deletion/delete-retired-groups.ts';
import { startRetirementJob } from './jobs/retirement-job.ts';
import { startPurgeJob } from './jobs/purge-expired.ts';
import type { RequestCounters } from './http/hooks/rate-limits.ts';
import { registerExplorerRoutes } from './http/routes/explorer.ts';
import { listen } from './http/listen.ts';
import { registerGraphQLRoutes } from './http/routes/graphql.ts';
import { registerHealthRoutes } from './http/routes/health.ts';
import { registerSchemaRoute } from './http/routes/schema.ts';
import { createHttpServer } from './http/server.ts';
import { registerWhoamiRoute } from './http/routes/whoami.ts';
import type { Logger } from './log.ts';
import type { Metrics } from './observability/metrics/open-metrics.ts';
import { createRepositories } from './repositories.ts';

/** The running server. */
export type App = {
  readonly url: string;
  /** The location of the database for display, without credentials. */
  readonly database: string;
  /** The admin API key if it was generated at this start, to be shown once. */
  readonly createdKey: string | undefined;
  /** A sample group for a first delete. */
  readonly sampleGroupId: number | undefined;
  /** Reads the metrics of this process; undefined without METRICS_PORT. */
  readonly readMetrics?: Metrics['collect'] | undefined;
  /**
   * Stops accepting requests after SHUTDOWN_DELAY_SECONDS, in which `/readyz` is 503 already, and completes those in
   * flight. Aborting `hurry` ends the delay.
   */
  close(hurry?: AbortSignal): Promise<void>;
};

/**
 * Maximum of connections that wait to be accepted, within the system's limit. Further ones time out instead of being
 * rejected.
 */
const acceptBacklog = 4096;

/** The part of this process in a server: all of it, unless there are several WORKERS. */
type AppRole = {
  /** Does what is done once: sample data, the admin account, the purge. */
  readonly isFirst: boolean;
  /** Replaces a process of this server: it creates no admin account, whose key no one would see. */
  readonly isReplacement?: boolean;
  /** Counts for the rate limits of all processes. If unset, this process counts. */
  readonly counters?: RequestCounters;
  /** Another process serves the metrics, and reads those of this one. */
  readonly isWorker?: boolean;
};

/**
 * Composition root: builds the server on an open database, and listens. Close the app before the database.
 * @throws OperatorError if a setting cannot be used, such as a port that is in use.
 */
export async function openApp(
  config: Config,
  { prisma, readState, readPool, description }: Database,
  log: Logger,
  { isFirst, isReplacement = false, counters, isWorker = false }: AppRole = { isFirst: true },
): Promise<App> {
  if (isFirst && config.SAMPLE_DATA && (await loadSampleData(prisma))) log.info('loaded the sample groups');

  if (isFirst)
    await (await import('./radius/radius-settings-statement.ts')).storeRadiusSettings(prisma, config, log);

  const { openTracing } = await import('./observability/tracing.ts');
  const tracing = await openTracing(config, log);
  const repositories = createRepositories(prisma, config.DELETED_GROUP_RETENTION_DAYS, log);
  const { accounts, audit, deletedGroups, groupDeletion, mutations } = repositories;
  const schema = createSchema();
  const limits = readLimits(config);
  const filter = config.ALLOWED_OPERATIONS_FILE
    ? readAllowedOperations(config.ALLOWED_OPERATIONS_FILE, schema)
    : createTextCheck(limits.tokens);
  const queries = createKnownQueries();
  const graphql = await openGraphQLServer(
    schema,
    { limits, introspection: config.INTROSPECTION, queries },
    log,
  );

  const authenticator = createAuthenticator(accounts, await openJwtVerifier(config, log));
  const http = await createHttpServer(config, authenticator, log, counters);
  await registerExplorerRoutes(http);
  let isStopping = false;
  registerHealthRoutes(http, { readDatabaseState: readState, isStopping: () => isStopping });
  registerWhoamiRoute(http);
  registerSchemaRoute(http, config.INTROSPECTION && config.ALLOWED_OPERATIONS_FILE === undefined);
  const { createSubscriptionHandler } = await import('./events/subscription-handler.ts');
  const subscriptions = createSubscriptionHandler({ config, prisma, mutations, schema, limits, log });
  const { serve: serveSubscription } = subscriptions;
  registerGraphQLRoutes(http, { graphql, schema, repositories, filter, queries, limits, serveSubscription });
  if (config.AUTODIALER) await http.register(import('./autodialer/plugin.ts'), { config, prisma, mutations });
  const { prepareRadius } = await import('./radius/start-radius.ts');
  const startRadius = await prepareRadius(config, { prisma, mutations }, log);
  const metrics =
    config.METRICS_PORT === undefined
      ? undefined
      : await (
          await import('./observability/metrics/open-metrics.ts')
        ).openMetrics(
          config,
          {
            prisma,
            readPool,
            readLoad: http.readLoad,
            readQueue: () => groupDeletion.readQueue(),
            countSubscriptions: subscriptions.countOpen,
            readCertificate: http.readCertificate,
            schema,
            eventOperations: (await import('./events/event.ts')).eventOperations,
          },
          log,
          { isWorker, isFirst },
        );
  await listen(http, { host: config.HOST, port: config.PORT, backlog: acceptBacklog }).catch(
    (error: NodeJS.ErrnoException) => {
      throw explainListenError(error, config);
    },
  );
  // Must come last: the generated key is shown once, and would be lost if the start failed later.
  const { createdKey } =
    isFirst && !isReplacement
      ? await openAdminAccount(prisma, config.ADMIN_API_KEY)
      : { createdKey: undefined };
  const retentions = readRetentions(config);
  if (isFirst) await warnOfForeignTables(prisma, retentions, log);
  const jobs = isFirst
    ? [
        startPurgeJob(
          {
            deletedGroups: (caller) => deletedGroups.purgeExpired(caller),
            // Also while AUTODIALER is false: what has been stored before expires all the same.
            numberGroups: async (caller) =>
              (await import('./autodialer/purge.ts')).purgeBatch(prisma, caller),
            idempotencyKeys: () => deleteExpiredKeys(prisma),
            // Removes nothing: it keeps the index of the audit's times up to date.
            auditTimes: () => audit.summarizeTimes().then(() => 0),
            partitions: (caller) => maintainPartitions(prisma, retentions, caller),
            webhookDeliveries: () => purgeDeliveries(prisma, 'webhook_deliveries'),
            radiusDeliveries: () => purgeDeliveries(prisma, 'radius_deliveries'),
          },
          log,
        ),
        startRetirementJob(createRetiredGroupDeletion(prisma, mutations, groupDeletion, log), log),
      ]
    : [];
  const { startWebhooks } = await import('./events/webhooks/start-webhooks.ts');
  const webhooks = startWebhooks(config, { prisma, mutations }, log);
  const radius = startRadius();

  return {
    url: readUrl(http.server.address() as AddressInfo, config.TLS_CERT_FILE !== undefined),
    database: description,
    createdKey,
    sampleGroupId: config.SAMPLE_DATA ? await findSampleGroupId(prisma) : undefined,
    readMetrics: metrics?.collect,
    async close(hurry) {
      isStopping = true;
      await sleep(config.SHUTDOWN_DELAY_SECONDS * 1000, undefined, { signal: hurry }).catch(() => undefined);
      await Promise.all([http.close(), webhooks.stop(), radius?.stop(), ...jobs.map((job) => job.stop())]);
      await graphql.stop();
      await tracing?.close();
      await metrics?.close();
    },
  };
}

function readLimits(config: Config): OperationLimits {
  return {
    tokens: config.MAX_QUERY_TOKENS,
    depth: config.MAX_QUERY_DEPTH,
    aliases: config.MAX_QUERY_ALIASES,
    rootFields: config.MAX_QUERY_ROOT_FIELDS,
    directives: config.MAX_QUERY_DIRECTIVES,
    cost: config.MAX_QUERY_COST,
  };
}

async function openJwtVerifier(config: Config, log: Logger): Promise<JwtVerifier | undefined> {
  const keys = config.JWT_JWKS_URL ?? config.JWT_PUBLIC_KEY;
  if (!keys) return undefined;
  // Loaded on demand, for a faster start without tokens.
  const { createJwtVerifier } = await import('./accounts/jwt/verifier.ts');
  return createJwtVerifier({ keys, issuer: config.JWT_ISSUER!, audience: config.JWT_AUDIENCE! }, log);
}

function explainListenError(error: NodeJS.ErrnoException, { HOST, PORT }: Config): Error {
  const where = `${HOST}:${PORT}`;
  switch (error.code) {
    case 'EADDRINUSE':
      return new OperatorError(
        `Another program listens on ${where}. Stop it, or set PORT to another port (0 selects any free port)`,
      );
    case 'EACCES':
      return new OperatorError(`No permission to listen on ${where}. Set PORT to 1024 or above`);
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
      return new OperatorError(
        `HOST must be an address of this machine, not ${HOST}. 0.0.0.0 means all addresses`,
      );
    default:
      return error;
  }
}

/** Returns a URL of the server that works on this machine. */
function readUrl({ address, family, port }: AddressInfo, isTls: boolean): string {
  const isAny = address === '0.0.0.0' || address === '::';
  const host = isAny ? '127.0.0.1' : family === 'IPv6' ? `[${address}]` : address;
  return `${isTls ? 'https' : 'http'}://${host}:${port}`;
}
