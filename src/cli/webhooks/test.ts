import { Command } from 'commander';
import { randomUUID } from 'node:crypto';
import { OperatorError } from '../../errors.ts';
import { createCommandCall } from '../command-context.ts';
import { formatFields, print } from '../output.ts';
import { readNumber } from '../read-values.ts';
import { withWebhooks } from './webhook-command.ts';

/** `group-api webhooks test`: sends a test event to a webhook, and shows the response. */
export function createTestCommand(): Command {
  return new Command('test')
    .description('Send a signed event of the type webhook.test now, once, and show the response')
    .argument('<id>')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
It is sent from this machine, also to a webhook that is disabled. The exit code is 1 unless the response is 2xx.

Example:
  group-api webhooks test 1`,
    )
    .action(testWebhook);
}

async function testWebhook(idArgument: string, { json }: { json?: true }): Promise<void> {
  const { parseEndpointId } = await import('../../events/webhooks/endpoint.ts');
  const { writeEnvelope } = await import('../../events/webhooks/envelope.ts');
  const { resolveBySystem } = await import('../../events/webhooks/resolve-target.ts');
  const { createAttemptSender } = await import('../../events/webhooks/send-attempt.ts');
  const id = parseEndpointId(readNumber(idArgument));
  const { row, policy } = await withWebhooks(async (webhooks) => ({
    row: await webhooks.endpoints.getWithSecrets(id),
    policy: webhooks.policy,
  }));
  const { account, requestId } = createCommandCall('webhooks test', [id]);
  const eventId = `test-${randomUUID()}`;
  const { url, secret, previousSecret, previousSecretExpiresAt } = row;
  const isOldValid = previousSecretExpiresAt !== null && previousSecretExpiresAt > new Date();
  const sender = createAttemptSender(policy, resolveBySystem);
  const startedAt = performance.now();
  const { isSuccess, status, body, error } = await sender.send({
    url,
    secrets: isOldValid ? [secret, previousSecret!] : [secret],
    id: eventId,
    body: writeEnvelope({
      eventType: 'webhook.test',
      eventAt: new Date(),
      data: { id: eventId, account, requestId },
    }),
  });
  sender.close();
  const response = {
    eventId,
    status,
    milliseconds: Math.round(performance.now() - startedAt),
    body,
    error,
  };
  if (isSuccess || json) print(json, response, formatFields(Object.entries(response)));
  if (!isSuccess && !json)
    throw new OperatorError(`Webhook ${id} did not accept the event: ${error}${body ? `\n${body}` : ''}`);
  if (!isSuccess) process.exitCode = 1;
}
