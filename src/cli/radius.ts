import { Command } from 'commander';
import { createDeliveriesCommand } from './radius/deliveries.ts';
import { createRedeliverCommand } from './radius/redeliver.ts';

/** `group-api radius …`: shows which open sessions were notified of changes. */
export function createRadiusCommand(): Command {
  return new Command('radius')
    .description('Show the Disconnect- and CoA-Requests that the servers send to network devices (RADIUS)')
    .addCommand(createDeliveriesCommand())
    .addCommand(createRedeliverCommand())
    .addHelpText('after', '\nExample:\n  group-api radius deliveries --failed');
}
