import type { Endpoint } from '../../events/webhooks/endpoint.ts';
import { formatFields, formatTable } from '../output.ts';

/** Formats webhooks as a table. */
export function describeWebhooks(webhooks: readonly Endpoint[]): string {
  return formatTable(
    ['ID', 'STATE', 'URL', 'TYPES', 'DESCRIPTION'],
    webhooks.map(({ id, state, url, types, description }) => [
      String(id),
      state,
      url,
      types.join(',') || 'any',
      description,
    ]),
  );
}

/** Formats one webhook, a line for each field. */
export function describeWebhook(webhook: Endpoint, pending: string): string {
  const { types, ...fields } = webhook;
  return formatFields([
    ...Object.entries({ ...fields, types: types.join(',') || 'any' }),
    ['pendingDeliveries', pending],
  ]);
}

/** Describes a change with a new secret, which is never shown again. */
export function describeSecret(message: string, secret: string): string {
  return `${message}\nSecret, shown only once: ${secret}`;
}
