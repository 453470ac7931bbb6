// GraphQL Yoga and pg with our own statement.
import { createServer } from 'node:http';
import { createSchema, createYoga } from 'graphql-yoga';
import pg from 'pg';
import { connection, host, port, typeDefs } from './schema.js';
import { deleteByStatement } from './statement.js';

const pool = new pg.Pool(connection);
const resolvers = { Mutation: { deleteGroup: (_, { id }) => deleteByStatement(pool, id) } };
const yoga = createYoga({ schema: createSchema({ typeDefs, resolvers }), logging: false });
createServer(yoga).listen(port, host);
