import { Command } from 'commander';
import type { RadiusDelivery } from '../../radius/delivery-repository.ts';
import { withDatabase } from '../command-context.ts';
import {
  printDeliveries,
  readDeliverySearch,
  type DeliveriesOptions,
  type DeliveryColumn,
} from '../delivery-page.ts';
import { addPageOptions } from '../pages.ts';

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
  const search = await readDeliverySearch(options);
  await withDatabase(async ({ prisma, mutations }) => {
    const { createDeliveryRepository } = await import('../../radius/delivery-repository.ts');
    await printDeliveries(command, createDeliveryRepository(prisma, mutations), search, columns);
  });
}

const columns: readonly DeliveryColumn<RadiusDelivery>[] = [
  ['ID', ({ id }) => String(id)],
  ['EVENT', ({ eventId }) => eventId],
  ['TYPE', ({ eventType }) => eventType],
  ['USER', ({ username }) => username],
  ['SESSION', ({ sessionId }) => sessionId],
  ['NAS', ({ nasAddress }) => nasAddress],
  ['STATE', ({ status }) => status],
  ['ATTEMPTS', ({ attempts }) => String(attempts)],
  ['NEXT ATTEMPT', ({ nextAttemptAt }) => nextAttemptAt?.toISOString() ?? ''],
  ['LAST REQUEST', describeRequest],
  ['ERROR', ({ lastError }) => lastError ?? ''],
];

/** Such as "disconnect: ack"; empty if the session had ended before a request was sent. */
function describeRequest({ request, response, errorCause }: RadiusDelivery): string {
  if (request === null) return '';
  return `${request}: ${response ?? 'no response'}${errorCause === null ? '' : ` ${errorCause}`}`;
}
