// GraphQL Yoga with Prisma's delete, and nothing else.
import { createServer } from 'node:http';
import { createSchema, createYoga } from 'graphql-yoga';
import { prisma, toGroup } from './prisma.js';
import { host, port, typeDefs } from './schema.js';

const deleteGroup = async (_, { id }) => toGroup(await prisma.group.delete({ where: { id } }));

const yoga = createYoga({
  schema: createSchema({ typeDefs, resolvers: { Mutation: { deleteGroup } } }),
  logging: false,
});
createServer(yoga).listen(port, host);
