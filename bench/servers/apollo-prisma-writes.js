// Apollo Server with Prisma's create, update and delete, and nothing else.
import { ApolloServer } from '@apollo/server';
import { startStandaloneServer } from '@apollo/server/standalone';
import { prisma, toGroup } from './prisma.js';
import { host, port, typeDefs } from './schema.js';

const writes = /* GraphQL */ `
  input GroupEdit {
    name: String
    tagName: String
    duration: Int
    price: String
  }
  type Subscriber {
    username: String!
    groupId: Int!
  }
  extend type Mutation {
    createGroup(group: GroupEdit!): Group
    editGroup(id: Int!, group: GroupEdit!): Group
    subscribe(username: String!, groupId: Int!): Subscriber
    removeUserSubscription(username: String!, groupId: Int!): Subscriber
  }
`;

const Mutation = {
  createGroup: async (_, { group }) => toGroup(await prisma.group.create({ data: group })),
  editGroup: async (_, { id, group }) => toGroup(await prisma.group.update({ where: { id }, data: group })),
  subscribe: (_, subscriber) => prisma.subscriber.create({ data: subscriber }),
  removeUserSubscription: (_, subscriber) =>
    prisma.subscriber.delete({ where: { groupId_username: subscriber } }),
};

const server = new ApolloServer({ typeDefs: [typeDefs, writes], resolvers: { Mutation } });
await startStandaloneServer(server, { listen: { host, port } });
