import { Command } from 'commander';
import { print } from '../output.ts';
import { describeWebhooks } from './describe-webhooks.ts';
import { withWebhooks } from './webhook-command.ts';

/** `group-api webhooks list`: lists the webhooks. */
export function createListCommand(): Command {
  return new Command('list')
    .description('List the webhooks')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
States: enabled; unavailable: the last attempt has failed; failing: all attempts of an event have failed; disabled.

Examples:
  group-api webhooks list
  group-api webhooks list --json`,
    )
    .action(async ({ json }: { json?: true }) => {
      const webhooks = await withWebhooks(({ endpoints }) => endpoints.list());
      print(json, webhooks, describeWebhooks(webhooks));
    });
}
