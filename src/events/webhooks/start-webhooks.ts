import type { Config } from '../../config/settings.ts';
import type { PrismaClient } from '../../generated/prisma/client.ts';
import type { Logger } from '../../log.ts';
import type { MutationRunner } from '../../mutations/mutation-runner.ts';
import { createEventFeed } from '../event-feed.ts';
import { resolveBySystem, shareResolutions } from './resolve-target.ts';
import { createAttemptSender } from './send-attempt.ts';
import type { TargetPolicy } from './target-url.ts';
import { startWebhookJob, type WebhookJob } from './webhook-job.ts';

/** Returns which targets the settings allow. */
export function readTargetPolicy(
  config: Pick<Config, 'WEBHOOK_ALLOWED_NETWORKS' | 'WEBHOOK_ALLOW_HTTP'>,
): TargetPolicy {
  return { allowedNetworks: config.WEBHOOK_ALLOWED_NETWORKS ?? [], allowsHttp: config.WEBHOOK_ALLOW_HTTP };
}

/** Starts to deliver the events of the database to the webhooks, those of this server without delay. */
export function startWebhooks(
  config: Config,
  { prisma, mutations }: { prisma: PrismaClient; mutations: Pick<MutationRunner, 'onCommit'> },
  log: Logger,
): WebhookJob {
  const sender = createAttemptSender(readTargetPolicy(config), shareResolutions(resolveBySystem));
  return startWebhookJob({ prisma, mutations, feed: createEventFeed(prisma), sender }, log);
}
