import { Command } from 'commander';
import { createCommandCall } from '../command-context.ts';
import { print } from '../output.ts';
import { readNumber } from '../read-values.ts';
import { describeSecret } from './describe-webhooks.ts';
import { changeWebhooks } from './webhook-command.ts';

/** How long a replaced secret still signs, so that the receiver can be changed meanwhile. */
const overlapMs = 24 * 60 * 60 * 1000;

/** `group-api webhooks rotate`: replaces the secret of a webhook. */
export function createRotateCommand(): Command {
  return new Command('rotate')
    .description('Create a new secret, which is shown only once. The old one signs, too, for 24 hours')
    .argument('<id>')
    .option('--now', 'the old secret does not sign any more, for example since others know it')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExamples:\n  group-api webhooks rotate 1\n  group-api webhooks rotate 1 --now')
    .action(rotateSecret);
}

async function rotateSecret(idArgument: string, { now, json }: { now?: true; json?: true }): Promise<void> {
  const { parseEndpointId } = await import('../../events/webhooks/endpoint.ts');
  const { createSecret } = await import('../../events/webhooks/signature.ts');
  const id = parseEndpointId(readNumber(idArgument));
  const secret = createSecret();
  const call = createCommandCall('webhooks rotate', [id]);
  await changeWebhooks(call, async ({ endpoints }) => {
    const webhook = await endpoints.edit(
      id,
      (row) => ({
        secret,
        previousSecret: now ? null : row.secret,
        previousSecretExpiresAt: now ? null : new Date(Date.now() + overlapMs),
      }),
      call,
    );
    const until = webhook.previousSecretExpiresAt;
    const old = until ? `signs, too, until ${until.toISOString()}` : 'does not sign any more';
    const message = describeSecret(`Changed the secret of webhook ${id}; the old one ${old}`, secret);
    // Before the database is closed, which may fail: the secret cannot be shown again.
    print(json, { ...webhook, secret }, message);
  });
}
