import { Command } from 'commander';
import { createCommandCall } from '../command-context.ts';
import { print } from '../output.ts';
import { confirm } from '../prompts.ts';
import { readNumber } from '../read-values.ts';
import { changeWebhooks } from './webhook-command.ts';

/** `group-api webhooks remove`: removes a webhook. */
export function createRemoveCommand(): Command {
  return new Command('remove')
    .description('Remove a webhook with its deliveries permanently')
    .argument('<id>')
    .option('--yes', 'skip the confirmation')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      '\nExamples:\n  group-api webhooks remove 1\n  group-api webhooks remove 1 --yes --json',
    )
    .action(removeWebhook);
}

async function removeWebhook(idArgument: string, { yes, json }: { yes?: true; json?: true }): Promise<void> {
  const { parseEndpointId } = await import('../../events/webhooks/endpoint.ts');
  const id = parseEndpointId(readNumber(idArgument));
  await confirm(`Remove webhook ${id} with its deliveries permanently?`, yes, 'Nothing was removed');
  const call = createCommandCall('webhooks remove', [id]);
  const webhook = await changeWebhooks(call, ({ endpoints }) => endpoints.delete(id, call));
  print(json, webhook, `Removed webhook ${id}: ${webhook.url}`);
}
