import { Command } from 'commander';
import type { RadiusDelivery } from '../../radius/delivery-repository.ts';
import { withDatabase } from '../command-context.ts';
import { addPageOptions, printPage, type PageOptions } from '../pages.ts';
import { readNumber } from '../read-values.ts';

type DeliveriesOptions = PageOptions & { failed?: true };

/** `group-api radius deliveries`: lists deliveries. */
export function createDeliveriesCommand(): Command {
  const command = new Command('deliveries')
    .description(
      'List the requests for open sessions, latest first, a page at a time, with their last response',
    )
    .option('--failed', 'only deliveries whose last attempt has failed, whether it is repeated or not');
  return addPageOptions(command, 'the deliveries')
    .addHelpText(
      'after',
      `
States: pending; delivered: the device has confirmed the request, or the session has ended; failed: no attempts are left.
Finished deliveries are deleted after seven days.

Examples:
  group-api radius deliveries --failed
  group-api radius deliveries --first 200 --json`,
    )
    .action((options: DeliveriesOptions) => listDeliveries(options, command));
}

async function listDeliveries(options: DeliveriesOptions, command: Command): Promise<void> {
  const { formatDeliveryCursor } = await import('../../events/webhooks/delivery-search.ts');
  const { parseDeliverySearch } = await import('../../radius/delivery-search.ts');
  const search = parseDeliverySearch({
    isFailed: options.failed ?? false,
    first: readNumber(options.first),
    after: options.after,
  });
  await withDatabase(async ({ prisma, mutations }) => {
    const { createDeliveryRepository } = await import('../../radius/delivery-repository.ts');
    const deliveries = createDeliveryRepository(prisma, mutations);
    const { nodes, hasNextPage } = await deliveries.list(search);
    const last = nodes.at(-1);
    const page = {
      items: nodes.map(describeDelivery),
      hasNextPage,
      endCursor: last ? formatDeliveryCursor(last) : null,
      count: () => deliveries.count(search),
    };
    await printPage(command, 'deliveries', page, head, nodes.map(toCells));
  });
}

/** Its id may exceed the range of a JSON number. */
function describeDelivery(delivery: RadiusDelivery) {
  return { ...delivery, id: String(delivery.id) };
}

const head = [
  'ID',
  'EVENT',
  'TYPE',
  'USER',
  'SESSION',
  'NAS',
  'STATE',
  'ATTEMPTS',
  'NEXT ATTEMPT',
  'LAST REQUEST',
  'ERROR',
];

function toCells(delivery: RadiusDelivery): string[] {
  const { id, eventId, eventType, username, sessionId, nasAddress, status, attempts, nextAttemptAt } =
    delivery;
  return [
    String(id),
    eventId,
    eventType,
    username,
    sessionId,
    nasAddress,
    status,
    String(attempts),
    nextAttemptAt?.toISOString() ?? '',
    describeRequest(delivery),
    delivery.lastError ?? '',
  ];
}

/** Such as "disconnect: ack"; empty if the session had ended before a request was sent. */
function describeRequest({ request, response, errorCause }: RadiusDelivery): string {
  if (request === null) return '';
  return `${request}: ${response ?? 'no response'}${errorCause === null ? '' : ` ${errorCause}`}`;
}
