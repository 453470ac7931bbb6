import { Command } from 'commander';
import { OperatorError } from '../../errors.ts';
import { createCommandCall } from '../command-context.ts';
import { formatCount, print } from '../output.ts';
import { readDate, readNumber } from '../read-values.ts';
import { changeWebhooks } from './webhook-command.ts';

type RedeliverOptions = { since?: string; webhook?: string; json?: true };

/** `group-api webhooks redeliver`: sends deliveries again. */
export function createRedeliverCommand(): Command {
  return new Command('redeliver')
    .description('Send deliveries again now, also those that were delivered, with the same event ids')
    .argument('[id...]', 'ids of deliveries, from `webhooks deliveries`')
    .option('--since <time>', 'all deliveries of events since this time, such as 2030-01-01T12:00:00Z')
    .option('--webhook <id>', 'with --since: only deliveries to this webhook')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
The servers send them. Deliveries to a webhook that is disabled wait until it is enabled.

Examples:
  group-api webhooks redeliver 1041 1042
  group-api webhooks redeliver --since 2026-11-26T08:00:00Z --webhook 1`,
    )
    .action(redeliver);
}

async function redeliver(idArguments: readonly string[], options: RedeliverOptions): Promise<void> {
  const { parseDeliveryId } = await import('../../deliveries/delivery-list.ts');
  const { parseEndpointId } = await import('../../events/webhooks/endpoint.ts');
  const since = readDate(options.since, '--since');
  if (idArguments.length > 0 === (since !== undefined))
    throw new OperatorError('Pass either the ids of deliveries, or --since');
  if (options.webhook !== undefined && since === undefined)
    throw new OperatorError('--webhook requires --since');
  const ids = idArguments.map((id) => parseDeliveryId(id, 'id'));
  const endpointId = options.webhook === undefined ? undefined : parseEndpointId(readNumber(options.webhook));
  const call = createCommandCall('webhooks redeliver', ids.map(String));
  const count = await changeWebhooks(call, ({ deliveries }) =>
    deliveries.redeliver({ ids, since, endpointId }, call),
  );
  print(options.json, { deliveries: count }, `${formatCount(count, 'event')} will be sent again`);
}
