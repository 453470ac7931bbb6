import { Command } from 'commander';
import { OperatorError } from '../../errors.ts';
import { createCommandCall } from '../command-context.ts';
import { collectItems } from '../list-options.ts';
import { print } from '../output.ts';
import { readNumber } from '../read-values.ts';
import { describeWebhooks } from './describe-webhooks.ts';
import { changeWebhooks, eventTypesHelp, readTargetUrl, readTypes } from './webhook-command.ts';

type EditOptions = { url?: string; type: string[]; description?: string; json?: true };

/** `group-api webhooks edit`: changes URL, types or description of a webhook. */
export function createEditCommand(): Command {
  return new Command('edit')
    .description('Change a webhook; options not given are left unchanged')
    .argument('<id>')
    .option('--url <url>', 'where the events are sent to, those that are pending too')
    .option('--type <types>', 'replace the types; "any" means all; for later events', collectItems, [])
    .option('--description <text>', 'what it is for')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
${eventTypesHelp}

Examples:
  group-api webhooks edit 1 --url https://new-panel.example/webhooks
  group-api webhooks edit 1 --type any --description 'the new panel'`,
    )
    .action(editWebhook);
}

async function editWebhook(idArgument: string, options: EditOptions): Promise<void> {
  const { parseDescription, parseEndpointId } = await import('../../events/webhooks/endpoint.ts');
  const id = parseEndpointId(readNumber(idArgument));
  const { url, type, description, json } = options;
  const changes = {
    ...(type.length > 0 && { types: readTypes(type) }),
    ...(description !== undefined && { description: parseDescription(description) }),
  };
  if (url === undefined && Object.keys(changes).length === 0)
    throw new OperatorError('Pass --url, --type or --description');
  const call = createCommandCall('webhooks edit', [id]);
  const webhook = await changeWebhooks(call, async ({ endpoints, policy }) => {
    const target = url === undefined ? {} : { url: await readTargetUrl(url, policy) };
    return endpoints.edit(id, () => ({ ...changes, ...target }), call);
  });
  print(json, webhook, describeWebhooks([webhook]));
}
