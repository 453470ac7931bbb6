// Apollo Server with Prisma: what a careful developer writes, with an interactive transaction.
import { ApolloServer } from '@apollo/server';
import { startStandaloneServer } from '@apollo/server/standalone';
import { GraphQLError } from 'graphql';
import { prisma, toGroup } from './prisma.js';
import { host, port, typeDefs } from './schema.js';

const refuse = (message, code) => new GraphQLError(message, { extensions: { code } });

async function deleteGroup(_, { id }) {
  const group = await prisma.$transaction(
    async (transaction) => {
      const found = await transaction.group.findUnique({ where: { id } });
      if (!found) throw refuse('Group not found', 'NOT_FOUND');
      const active = await transaction.subscriber.count({
        where: { groupId: id, OR: [{ expiresAt: null }, { expiresAt: { gt: new Date() } }] },
      });
      if (active > 0) throw refuse('Cannot delete group with active subscribers', 'HAS_ACTIVE_SUBSCRIBERS');
      const deleted = await transaction.group.delete({ where: { id } });
      const row = JSON.parse(JSON.stringify(deleted));
      await transaction.deletedGroup.create({
        data: {
          id,
          groupRow: row,
          deletedAt: new Date(),
          deletedBy: 'bench',
          purgeAt: new Date(Date.now() + 30 * 86_400_000),
        },
      });
      await transaction.auditEvent.create({
        data: {
          account: 'bench',
          credential: 'api-key',
          address: '127.0.0.1',
          requestId: crypto.randomUUID(),
          operation: 'deleteGroup',
          targetIds: [String(id)],
          outcome: 'done',
          before: row,
        },
      });
      return deleted;
    },
    { maxWait: 60_000, timeout: 60_000 },
  );
  return toGroup(group);
}

const server = new ApolloServer({ typeDefs, resolvers: { Mutation: { deleteGroup } } });
await startStandaloneServer(server, { listen: { host, port } });
