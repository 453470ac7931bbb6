import { Command } from 'commander';
import type { Delivery } from '../../events/webhooks/delivery-repository.ts';
import { addPageOptions, printPage, type PageOptions } from '../pages.ts';
import { readNumber } from '../read-values.ts';
import { withWebhooks } from './webhook-command.ts';

type DeliveriesOptions = PageOptions & { webhook?: string; failed?: true };

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
    .action((options: DeliveriesOptions) => listDeliveries(options, command));
}

async function listDeliveries(options: DeliveriesOptions, command: Command): Promise<void> {
  const { parseDeliverySearch, formatDeliveryCursor } =
    await import('../../events/webhooks/delivery-search.ts');
  const search = parseDeliverySearch({
    webhook: readNumber(options.webhook),
    isFailed: options.failed ?? false,
    first: readNumber(options.first),
    after: options.after,
  });
  await withWebhooks(async ({ deliveries }) => {
    const { nodes, hasNextPage } = await deliveries.list(search);
    const last = nodes.at(-1);
    const page = {
      items: nodes.map(describeDelivery),
      hasNextPage,
      endCursor: last ? formatDeliveryCursor(last) : null,
      count: () => deliveries.count(search),
    };
    const head = ['ID', 'WEBHOOK', 'EVENT', 'TYPE', 'STATE', 'ATTEMPTS', 'NEXT ATTEMPT', 'ERROR', 'RESPONSE'];
    await printPage(command, 'deliveries', page, head, nodes.map(toCells));
  });
}

/** Its id may exceed the range of a JSON number. */
function describeDelivery(delivery: Delivery) {
  return { ...delivery, id: String(delivery.id) };
}

function toCells(delivery: Delivery): string[] {
  const { id, endpointId, eventId, eventType, status, attempts, nextAttemptAt, lastError, responseBody } =
    delivery;
  return [
    String(id),
    String(endpointId),
    eventId,
    eventType,
    status,
    String(attempts),
    nextAttemptAt?.toISOString() ?? '',
    lastError ?? '',
    responseBody ?? '',
  ];
}
