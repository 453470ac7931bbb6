import { randomUUID } from 'node:crypto';
import { lookup } from 'node:dns/promises';
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
import type { ResolveName } from './nas-list.ts';
import { startRadiusJob, type RadiusJob } from './radius-job.ts';
import { createSending } from './sending.ts';

/** A name in `nas` that is not resolved within this time has no address, so that it does not delay other NAS. */
const resolveTimeoutMs = 2000;

/**
 * Prepares to tell NAS about changes, if RADIUS_DISCONNECT or RADIUS asks for it: checks the tables of the accounting.
 * Changes from now on are sent. Returns the function that starts the work.
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
    const sending = createSending({ store, client, resolve: resolveBySystem, prefersCoa, log });
    const job = startRadiusJob({ store, feed, sending, mutations }, log);
    return {
      async stop() {
        await job.stop();
        client.close();
      },
    };
  };
}

/** Returns whether the settings ask for Disconnect- or CoA-Requests. */
function sendsRequests(config: Pick<Config, 'RADIUS' | 'RADIUS_DISCONNECT'>): boolean {
  return config.RADIUS_DISCONNECT ?? config.RADIUS;
}

const resolveBySystem: ResolveName = async (name) => {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<never[]>((resolve) => {
    timer = setTimeout(() => resolve([]), resolveTimeoutMs);
  });
  try {
    const addresses = await Promise.race([lookup(name, { all: true }), timeout]);
    return addresses
      .map(({ address }: { address: string }) => address)
      .filter((address) => !address.includes('%'));
  } catch {
    return [];
  } finally {
    clearTimeout(timer);
  }
};
