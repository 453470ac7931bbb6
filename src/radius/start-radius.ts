import { randomUUID } from 'node:crypto';
import type { Config } from '../config/settings.ts';
import { OperatorError } from '../errors.ts';
import { createEventFeed } from '../events/event-feed.ts';
import { formatFeedCursor } from '../events/feed-cursor.ts';
import type { PrismaClient } from '../generated/prisma/client.ts';
import type { Logger } from '../log.ts';
import type { MutationRunner } from '../mutations/mutation-runner.ts';
import { accountingTablesIn } from './accounting-statements.ts';
import { findAccountingProblems } from './check-accounting.ts';
import { createDeliveryStore } from './delivery-store.ts';
import { createNasClient } from './nas-client.ts';
import { createNameResolver } from './name-resolver.ts';
import { startRadiusJob, type RadiusJob } from './radius-job.ts';
import { createSending } from './sending.ts';

/**
 * Prepares to send Disconnect- and CoA-Requests, if RADIUS_DISCONNECT or RADIUS is set: checks the tables of the
 * accounting. The first start in a database sends changes from now on; a later one, those since the last that were
 * sent. Returns the function that starts the work.
 * @throws OperatorError if the tables of FreeRADIUS are missing, or cannot be read
 */
export async function prepareRadius(
  config: Config,
  { prisma, mutations }: { prisma: PrismaClient; mutations: Pick<MutationRunner, 'onCommit'> },
  log: Logger,
): Promise<() => RadiusJob | undefined> {
  if (!sendsRequests(config)) return () => undefined;
  const schema = config.RADIUS_ACCOUNTING_SCHEMA;
  const problems = await findAccountingProblems(schema, async (sql, ...values) =>
    prisma.$queryRawUnsafe(sql, ...values),
  );
  if (problems.length > 0) throw new OperatorError(problems.join('\n'));
  const store = createDeliveryStore(prisma, accountingTablesIn(schema), randomUUID());
  const feed = createEventFeed(prisma);
  await store.start(formatFeedCursor(await feed.findEnd()));
  return () => {
    const client = createNasClient({
      port: config.RADIUS_COA_PORT,
      timeoutMs: config.RADIUS_TIMEOUT_MS,
      onSocketError: (error) =>
        log.warn({ reason: error.message }, 'a socket for RADIUS failed, and is replaced'),
    });
    const prefersCoa = config.RADIUS_CHANGE === 'coa';
    const sending = createSending({ store, client, resolve: createNameResolver(), prefersCoa, log });
    const job = startRadiusJob({ store, feed, sending, mutations }, log);
    return {
      async stop() {
        await job.stop();
        client.close();
      },
    };
  };
}

/** Returns whether Disconnect- or CoA-Requests are sent. */
function sendsRequests(config: Pick<Config, 'RADIUS' | 'RADIUS_DISCONNECT'>): boolean {
  return config.RADIUS_DISCONNECT ?? config.RADIUS;
}
