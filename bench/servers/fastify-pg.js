// Fastify and pg without GraphQL, with schemas for the body and the response, as its documents recommend: what a remote
// procedure call that deletes and does nothing else costs.
import { fastify } from 'fastify';
import pg from 'pg';
import { columns, connection, host, port } from './schema.js';

const pool = new pg.Pool(connection);
const text = `DELETE FROM groups WHERE id = $1 RETURNING ${columns}`;
const string = { type: 'string' };
const integer = { type: 'integer' };
const nullable = { type: ['string', 'null'] };
const group = {
  type: 'object',
  properties: {
    id: integer,
    name: string,
    description: string,
    tagName: string,
    duration: integer,
    price: string,
    usernamePostfix: nullable,
    usernamePostfixId: nullable,
    dailyBandwidth: string,
    multiLoginCount: integer,
    downloadUpload: string,
    ip: nullable,
  },
};
const schema = {
  body: {
    type: 'object',
    properties: { variables: { type: 'object', properties: { id: integer }, required: ['id'] } },
    required: ['variables'],
  },
  response: { 200: { type: 'object', properties: { result: group } } },
};

const app = fastify();
app.route({
  method: 'POST',
  url: '/deleteGroup',
  schema,
  async handler(request) {
    const { rows } = await pool.query({ name: 'delete', text, values: [request.body.variables.id] });
    return { result: rows[0] };
  },
});
await app.listen({ host, port });
