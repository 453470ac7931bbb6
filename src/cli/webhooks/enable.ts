import { Command } from 'commander';
import { createCommandCall } from '../command-context.ts';
import type { MissedEvents } from '../../events/event-feed.ts';
import { print, writeLine } from '../output.ts';
import { readNumber } from '../read-values.ts';
import { changeWebhooks } from './webhook-command.ts';

type EnableOptions = { fromNow?: true; json?: true };

/** `group-api webhooks enable`: lets a webhook continue. */
export function createEnableCommand(): Command {
  return new Command('enable')
    .description('Enable a webhook, and send its pending deliveries now')
    .argument('<id>')
    .option('--from-now', 'skip the events until now, with the pending deliveries')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
It continues where it was disabled, up to seven days ago.

Examples:
  group-api webhooks enable 1
  group-api webhooks enable 1 --from-now`,
    )
    .action(enableWebhook);
}

async function enableWebhook(idArgument: string, { fromNow, json }: EnableOptions): Promise<void> {
  const { parseEndpointId } = await import('../../events/webhooks/endpoint.ts');
  const id = parseEndpointId(readNumber(idArgument));
  const call = createCommandCall('webhooks enable', [id]);
  let cursor = '';
  const webhook = await changeWebhooks(call, async ({ endpoints, findCursor, findMissed }) => {
    const skipped = fromNow ? { cursor: await findCursor() } : {};
    const enabled = await endpoints.edit(
      id,
      (row) => {
        cursor = row.cursor;
        return { disabledAt: null, disabledReason: null, ...skipped };
      },
      call,
    );
    const missed = fromNow ? undefined : await findMissed(cursor);
    if (missed) warnOfMissedEvents(missed);
    return enabled;
  });
  print(json, webhook, `Webhook ${id} is enabled`);
}

function warnOfMissedEvents({ after, before }: MissedEvents): void {
  writeLine(
    `Warning: the events after ${after.toISOString()} and before ${before.toISOString()} are too old to be sent. ` +
      'Let the receiver read the groups again',
  );
}

/** `group-api webhooks disable`: stops deliveries to a webhook. */
export function createDisableCommand(): Command {
  return new Command('disable')
    .description('Disable a webhook: it receives nothing until it is enabled')
    .argument('<id>')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExample:\n  group-api webhooks disable 1')
    .action(disableWebhook);
}

async function disableWebhook(idArgument: string, { json }: EnableOptions): Promise<void> {
  const { parseEndpointId } = await import('../../events/webhooks/endpoint.ts');
  const id = parseEndpointId(readNumber(idArgument));
  const call = createCommandCall('webhooks disable', [id]);
  const webhook = await changeWebhooks(call, ({ endpoints }) =>
    endpoints.edit(
      id,
      ({ disabledAt, disabledReason }) => ({
        disabledAt: disabledAt ?? new Date(),
        disabledReason: disabledReason ?? 'disabled by an operator',
      }),
      call,
    ),
  );
  print(json, webhook, `Webhook ${id} is disabled`);
}
