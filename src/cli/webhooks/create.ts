import { Command } from 'commander';
import { createCommandCall } from '../command-context.ts';
import { collectItems } from '../list-options.ts';
import { print } from '../output.ts';
import { describeSecret } from './describe-webhooks.ts';
import { changeWebhooks, eventTypesHelp, readTargetUrl, readTypes } from './webhook-command.ts';

type CreateOptions = { type: string[]; description: string; json?: true };

/** `group-api webhooks create`: creates a webhook, which receives the events from now on. */
export function createCreateCommand(): Command {
  return new Command('create')
    .description('Create a webhook, which receives the events from now on. Its secret is shown only once')
    .argument('<url>', 'where the events are sent to, such as https://panel.example/webhooks')
    .option('--type <types>', 'only events of these types; comma-separated or repeated', collectItems, [])
    .option('--description <text>', 'what it is for', '')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
${eventTypesHelp}

The URL must start with https:// and lead to public addresses; the settings WEBHOOK_ALLOW_HTTP and
WEBHOOK_ALLOWED_NETWORKS allow others. The receiver verifies the signature with the secret: see docs/webhooks.md.

Examples:
  group-api webhooks create https://panel.example/webhooks
  group-api webhooks create https://panel.example/webhooks --type group.deleted,group.restored --description panel`,
    )
    .action(createWebhook);
}

async function createWebhook(urlArgument: string, options: CreateOptions): Promise<void> {
  const { parseDescription } = await import('../../events/webhooks/endpoint.ts');
  const { createSecret } = await import('../../events/webhooks/signature.ts');
  const types = readTypes(options.type);
  const description = parseDescription(options.description);
  const secret = createSecret();
  const call = createCommandCall('webhooks create', []);
  await changeWebhooks(call, async ({ endpoints, policy, findCursor }) => {
    const url = await readTargetUrl(urlArgument, policy);
    const cursor = await findCursor();
    const webhook = await endpoints.create({ url, types, description, secret, cursor }, call);
    // Before the database is closed, which may fail: the secret cannot be shown again.
    print(
      options.json,
      { ...webhook, secret },
      describeSecret(`Created webhook ${webhook.id}: ${webhook.url}`, secret),
    );
  });
}
