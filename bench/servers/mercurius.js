// Mercurius with its just-in-time compiler, Fastify and pg with a prepared statement.
import { fastify } from 'fastify';
import mercurius from 'mercurius';
import pg from 'pg';
import { connection, host, port, typeDefs } from './schema.js';

/** Serves a `deleteGroup` that runs on a pool of connections. */
export async function serve(deleteGroup) {
  const pool = new pg.Pool(connection);
  const app = fastify();
  app.register(mercurius, {
    schema: typeDefs,
    resolvers: { Mutation: { deleteGroup: (_, { id }) => deleteGroup(pool, id) } },
    jit: 1,
  });
  await app.listen({ host, port });
}
