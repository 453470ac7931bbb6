import type { FastifyInstance } from 'fastify';
import { AppError } from '../errors.ts';
import { readSchemaSource } from '../graphql/schema.ts';

/** `GET /schema.graphql`: the API's source, for those who may ask for the schema. @throws AppError FORBIDDEN */
export function registerSchemaDocument(http: FastifyInstance, introspection: boolean): void {
  const source = readSchemaSource();
  http.get('/schema.graphql', (_request, reply) => {
    if (!introspection)
      throw new AppError('FORBIDDEN', 'The setting INTROSPECTION keeps the schema to itself');
    return reply.type('text/plain; charset=utf-8').send(source);
  });
}
