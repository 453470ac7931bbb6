import { Command } from 'commander';
import type { Delivery } from '../../events/webhooks/delivery-repository.ts';
import {
  printDeliveries,
  readDeliverySearch,
  type DeliveriesOptions,
  type DeliveryColumn,
} from '../delivery-page.ts';
import { addPageOptions } from '../pages.ts';
import { readNumber } from '../read-values.ts';
import { withWebhooks } from './webhook-command.ts';

type WebhookDeliveriesOptions = DeliveriesOptions & { webhook?: string };

/** `group-api webhooks deliveries`: lists deliveries. */
export function createDeliveriesCommand(): Command {
  const command = new Command('deliveries')
    .description(
      'List the deliveries, latest first, a page at a time, with the beginning of the last response',
    )
    .option('--webhook <id>', 'only deliveries to this webhook')
    .option('--failed', 'only deliveries whose last attempt has failed, whether it is repeated or not');
  return addPageOptions(command, 'the deliveries')
    .addHelpText(
      'after',
      `
States: pending; delivered; failed: no attempts are left. Finished deliveries are deleted after seven days.

Examples:
  group-api webhooks deliveries --failed
  group-api webhooks deliveries --webhook 1 --first 200 --json`,
    )
    .action((options: WebhookDeliveriesOptions) => listDeliveries(options, command));
}

async function listDeliveries(
  { webhook, ...options }: WebhookDeliveriesOptions,
  command: Command,
): Promise<void> {
  const { parseEndpointId } = await import('../../events/webhooks/endpoint.ts');
  const endpointId = webhook === undefined ? undefined : parseEndpointId(readNumber(webhook));
  const search = { ...(await readDeliverySearch(options)), endpointId };
  await withWebhooks(async ({ deliveries }) => printDeliveries(command, deliveries, search, columns));
}

const columns: readonly DeliveryColumn<Delivery>[] = [
  ['ID', ({ id }) => String(id)],
  ['WEBHOOK', ({ endpointId }) => String(endpointId)],
  ['EVENT', ({ eventId }) => eventId],
  ['TYPE', ({ eventType }) => eventType],
  ['STATE', ({ status }) => status],
  ['ATTEMPTS', ({ attempts }) => String(attempts)],
  ['NEXT ATTEMPT', ({ nextAttemptAt }) => nextAttemptAt?.toISOString() ?? ''],
  ['ERROR', ({ lastError }) => lastError ?? ''],
  ['RESPONSE', ({ responseBody }) => responseBody ?? ''],
];
