import { badInput } from '../../errors.ts';
import type { PrismaClient, WebhookEndpoint as EndpointRow } from '../../generated/prisma/client.ts';
import type { MutationCall } from '../../mutations/mutation-call.ts';
import type { MutationRunner, Transaction } from '../../mutations/mutation-runner.ts';
import { endpointNotFound, toAudited, toEndpoint, type Endpoint } from './endpoint.ts';

export type EndpointRepository = ReturnType<typeof createEndpointRepository>;

type NewEndpoint = Pick<EndpointRow, 'url' | 'types' | 'description' | 'secret' | 'cursor'>;

/** The editable columns of an endpoint. */
type EndpointChanges = Partial<
  Omit<EndpointRow, 'id' | 'createdAt' | 'updatedAt' | 'unavailableSince' | 'failingSince'>
>;

/** More would delay the events of all: a server makes 16 attempts at a time. */
const maxEndpoints = 50;

/** The endpoints in the database. Changes are audited without the secrets. */
export function createEndpointRepository(prisma: PrismaClient, mutations: MutationRunner) {
  return {
    /** Returns all endpoints, sorted by id. */
    async list(): Promise<Endpoint[]> {
      return (await prisma.webhookEndpoint.findMany({ orderBy: { id: 'asc' } })).map(toEndpoint);
    },

    /** Returns the row with its secrets, to sign a message. @throws AppError NOT_FOUND */
    async getWithSecrets(id: number): Promise<EndpointRow> {
      const row = await prisma.webhookEndpoint.findUnique({ where: { id } });
      if (!row) throw endpointNotFound(id);
      return row;
    },

    /** @throws AppError BAD_USER_INPUT if there are too many */
    async create(endpoint: NewEndpoint, call: MutationCall): Promise<Endpoint> {
      return mutations.run(call, async (transaction) => {
        // So that no concurrent command exceeds the maximum.
        await transaction.$executeRaw`LOCK TABLE webhook_endpoints IN SHARE ROW EXCLUSIVE MODE`;
        if ((await transaction.webhookEndpoint.count()) >= maxEndpoints)
          throw badInput(
            'url',
            `There are ${maxEndpoints} webhooks, the maximum: remove one that is not needed`,
          );
        const created = toEndpoint(await transaction.webhookEndpoint.create({ data: endpoint }));
        return { result: created, targetIds: [created.id], after: toAudited(created) };
      });
    },

    /**
     * Changes an endpoint; `changes` may depend on its row, and may reject the change by throwing. An enabled endpoint
     * counts as available, and its pending deliveries are due; with a new cursor they are deleted.
     * @throws AppError NOT_FOUND
     */
    async edit(
      id: number,
      changes: (row: EndpointRow) => EndpointChanges,
      call: MutationCall,
    ): Promise<Endpoint> {
      return mutations.run(call, async (transaction) => {
        const before = await lockEndpoint(transaction, id);
        const data = changes(before);
        const isEnabled = data.disabledAt === null;
        const row = await transaction.webhookEndpoint.update({
          where: { id },
          data: {
            ...data,
            ...(isEnabled && { unavailableSince: null, failingSince: null }),
            updatedAt: new Date(),
          },
        });
        if (data.cursor !== undefined) await deletePending(transaction, id);
        if (isEnabled) await makeDue(transaction, id);
        const after = toEndpoint(row);
        return { result: after, before: toAudited(toEndpoint(before)), after: toAudited(after) };
      });
    },

    /** Deletes an endpoint with its deliveries. @throws AppError NOT_FOUND */
    async delete(id: number, call: MutationCall): Promise<Endpoint> {
      return mutations.run(call, async (transaction) => {
        const before = toEndpoint(await lockEndpoint(transaction, id));
        await transaction.webhookEndpoint.delete({ where: { id } });
        return { result: before, before: toAudited(before) };
      });
    },
  };
}

/** Locks the row until the transaction ends, so that no event becomes a delivery meanwhile. */
async function lockEndpoint(transaction: Transaction, id: number): Promise<EndpointRow> {
  await transaction.$executeRaw`SELECT FROM webhook_endpoints WHERE id = ${id} FOR UPDATE`;
  const row = await transaction.webhookEndpoint.findUnique({ where: { id } });
  if (!row) throw endpointNotFound(id);
  return row;
}

async function deletePending(transaction: Transaction, endpointId: number): Promise<void> {
  await transaction.webhookDelivery.deleteMany({ where: { endpointId, status: 'pending' } });
}

async function makeDue(transaction: Transaction, endpointId: number): Promise<void> {
  await transaction.$executeRaw`
    UPDATE webhook_deliveries SET next_attempt_at = now()
    WHERE endpoint_id = ${endpointId} AND status = 'pending' AND NOT is_claimed AND next_attempt_at > now()`;
}
