import type { Config } from '../../config/settings.ts';
import { badInput } from '../../errors.ts';
import type { MissedEvents } from '../../events/event-feed.ts';
import type { DeliveryRepository } from '../../events/webhooks/delivery-repository.ts';
import type { EndpointRepository } from '../../events/webhooks/endpoint-repository.ts';
import { eventTypeNames, type EventType } from '../../events/event-types.ts';
import { parseEventTypes } from '../../events/parse-event-types.ts';
import type { TargetPolicy } from '../../events/webhooks/target-url.ts';
import type { MutationCall } from '../../mutations/mutation-call.ts';
import { runMutation, withDatabase, type CommandDatabase } from '../command-context.ts';
import { writeLine } from '../output.ts';

/** The webhooks of the database, for a command. */
type Webhooks = {
  readonly endpoints: EndpointRepository;
  readonly deliveries: DeliveryRepository;
  readonly policy: TargetPolicy;
  /** Returns the cursor of an endpoint that receives the events from now on. */
  readonly findCursor: () => Promise<string>;
  /** Returns which events after a cursor are too old to be sent; undefined if there are none. */
  readonly findMissed: (cursor: string) => Promise<MissedEvents | undefined>;
};

/** Opens the database for a command that changes no webhook. */
export async function withWebhooks<T>(work: (webhooks: Webhooks) => Promise<T>): Promise<T> {
  return withDatabase(async (database) => work(await openWebhooks(database)));
}

/** Opens the database for one change, which is audited even if it is rejected. */
export async function changeWebhooks<T>(
  call: MutationCall,
  work: (webhooks: Webhooks) => Promise<T>,
): Promise<T> {
  return runMutation(call, async (database) => work(await openWebhooks(database)));
}

async function openWebhooks({ prisma, mutations, config }: CommandDatabase): Promise<Webhooks> {
  // Loaded here: --help needs none of it.
  const { createDeliveryRepository } = await import('../../events/webhooks/delivery-repository.ts');
  const { createEndpointRepository } = await import('../../events/webhooks/endpoint-repository.ts');
  const { formatFeedCursor, parseFeedCursor } = await import('../../events/feed-cursor.ts');
  const { createEventFeed } = await import('../../events/event-feed.ts');
  const feed = createEventFeed(prisma);
  return {
    endpoints: createEndpointRepository(prisma, mutations),
    deliveries: createDeliveryRepository(prisma, mutations),
    policy: await readPolicy(config),
    findCursor: async () => formatFeedCursor(await feed.findEnd()),
    findMissed: async (cursor) => (await feed.read(parseFeedCursor(cursor))).missed,
  };
}

async function readPolicy(config: Config): Promise<TargetPolicy> {
  const { readTargetPolicy } = await import('../../events/webhooks/start-webhooks.ts');
  return readTargetPolicy(config);
}

/**
 * Parses and checks the URL of an endpoint, with the addresses of its name. A name that cannot be resolved is accepted
 * with a warning, since the servers may know it.
 * @throws AppError BAD_USER_INPUT
 */
export async function readTargetUrl(text: string, policy: TargetPolicy): Promise<string> {
  const { parseTargetUrl, TargetRejection } = await import('../../events/webhooks/target-url.ts');
  const { resolveBySystem, resolveTarget } = await import('../../events/webhooks/resolve-target.ts');
  const url = parseTargetUrl(text, policy);
  try {
    await resolveTarget(url, policy, resolveBySystem);
  } catch (error) {
    if (error instanceof TargetRejection) throw badInput('url', error.message);
    writeLine(`group-api: warning: this machine cannot resolve ${url.hostname}: ${(error as Error).message}`);
  }
  return url.href;
}

/** Parses the values of --type; `any` alone means all types, stored as none. @throws AppError BAD_USER_INPUT */
export function readTypes(values: readonly string[]): EventType[] {
  if (values.join() === 'any') return [];
  return parseEventTypes(values, 'type');
}

/** Lists the event types in the help of a command. */
export const eventTypesHelp = `Types: ${eventTypeNames.join(' ')}`;
