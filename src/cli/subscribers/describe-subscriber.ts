import type { Subscriber, SubscriberResult } from '../../subscribers/subscriber.ts';

/** The fields of the API's `Subscriber`, except its group. */
type SubscriberDescription = Subscriber & { readonly status: string };

/**
 * Describes a subscriber as the API does; the state is that of the transaction which returned it, or the current one.
 */
export async function describeSubscriber(subscriber: SubscriberResult): Promise<SubscriberDescription> {
  const { statusOf } = await import('../../subscribers/subscriber.ts');
  const { username, groupId, startsAt, expiresAt } = subscriber;
  return { username, groupId, startsAt, expiresAt, status: subscriber.status ?? statusOf(subscriber) };
}
