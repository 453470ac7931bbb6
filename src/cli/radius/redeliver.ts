import { Command } from 'commander';
import { createCommandCall, runMutation } from '../command-context.ts';
import { formatCount, print } from '../output.ts';

/** `group-api radius redeliver`: makes deliveries due again. */
export function createRedeliverCommand(): Command {
  return new Command('redeliver')
    .description('Send requests again now, such as after a repair of the secret of a device')
    .argument('<id...>', 'ids of deliveries, from `radius deliveries`')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
The servers send them, with the plan that the user has now. A session that has ended receives nothing.

Example:
  group-api radius redeliver 1041 1042`,
    )
    .action(redeliver);
}

async function redeliver(idArguments: readonly string[], { json }: { json?: true }): Promise<void> {
  const { parseDeliveryId } = await import('../../deliveries/delivery-list.ts');
  const ids = idArguments.map((id) => parseDeliveryId(id, 'id'));
  const call = createCommandCall('radius redeliver', ids.map(String));
  const count = await runMutation(call, async ({ prisma, mutations }) => {
    const { createDeliveryRepository } = await import('../../radius/delivery-repository.ts');
    return createDeliveryRepository(prisma, mutations).redeliver(ids, call);
  });
  print(json, { deliveries: count }, `${formatCount(count, 'request')} will be sent again`);
}
