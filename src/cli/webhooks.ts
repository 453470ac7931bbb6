import { Command } from 'commander';
import { createCreateCommand } from './webhooks/create.ts';
import { createDeliveriesCommand } from './webhooks/deliveries.ts';
import { createEditCommand } from './webhooks/edit.ts';
import { createDisableCommand, createEnableCommand } from './webhooks/enable.ts';
import { createListCommand } from './webhooks/list.ts';
import { createRedeliverCommand } from './webhooks/redeliver.ts';
import { createRemoveCommand } from './webhooks/remove.ts';
import { createRotateCommand } from './webhooks/rotate.ts';
import { createShowCommand } from './webhooks/show.ts';
import { createTestCommand } from './webhooks/test.ts';

/** `group-api webhooks …`: manages the receivers of events, and what was delivered to them. */
export function createWebhooksCommand(): Command {
  return new Command('webhooks')
    .description('Manage webhooks, which receive the events, and their deliveries')
    .addCommand(createCreateCommand())
    .addCommand(createListCommand())
    .addCommand(createShowCommand())
    .addCommand(createEditCommand())
    .addCommand(createRotateCommand())
    .addCommand(createEnableCommand())
    .addCommand(createDisableCommand())
    .addCommand(createRemoveCommand())
    .addCommand(createTestCommand())
    .addCommand(createDeliveriesCommand())
    .addCommand(createRedeliverCommand())
    .addHelpText(
      'after',
      '\nExample:\n  group-api webhooks create https://panel.example/webhooks --type group.deleted',
    );
}
