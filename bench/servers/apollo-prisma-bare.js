// Apollo Server with Prisma's delete, and nothing else.
import { ApolloServer } from '@apollo/server';
import { startStandaloneServer } from '@apollo/server/standalone';
import { prisma, toGroup } from './prisma.js';
import { host, port, typeDefs } from './schema.js';

const deleteGroup = async (_, { id }) => toGroup(await prisma.group.delete({ where: { id } }));

const server = new ApolloServer({ typeDefs, resolvers: { Mutation: { deleteGroup } } });
await startStandaloneServer(server, { listen: { host, port } });
