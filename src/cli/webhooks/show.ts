import { Command } from 'commander';
import { print } from '../output.ts';
import { readNumber } from '../read-values.ts';
import { describeWebhook } from './describe-webhooks.ts';
import { withWebhooks } from './webhook-command.ts';

/** `group-api webhooks show`: shows one webhook. */
export function createShowCommand(): Command {
  return new Command('show')
    .description('Show a webhook and the number of its pending deliveries')
    .argument('<id>')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExample:\n  group-api webhooks show 1')
    .action(showWebhook);
}

async function showWebhook(idArgument: string, { json }: { json?: true }): Promise<void> {
  const { parseEndpointId, toEndpoint } = await import('../../events/webhooks/endpoint.ts');
  const id = parseEndpointId(readNumber(idArgument));
  await withWebhooks(async ({ endpoints, deliveries }) => {
    const webhook = toEndpoint(await endpoints.getWithSecrets(id));
    const { totalCount, totalCountIsExact } = await deliveries.countPending(id);
    const pending = totalCountIsExact ? String(totalCount) : `more than ${totalCount}`;
    print(json, { ...webhook, pendingDeliveries: totalCount }, describeWebhook(webhook, pending));
  });
}
