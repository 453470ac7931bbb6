import type { FastifyInstance } from 'fastify';
import { AppError } from '../../errors.ts';
import { readSchemaSource } from '../../graphql/schema.ts';

/** `GET /schema.graphql`: the text of the schema, if introspection is enabled. @throws AppError FORBIDDEN */
export function registerSchemaRoute(http: FastifyInstance, isOpen: boolean): void {
  const source = readSchemaSource();
  http.get('/schema.graphql', (_request, reply) => {
    if (!isOpen) throw new AppError('FORBIDDEN', 'Introspection is disabled by the settings of this server');
    return reply.type('text/plain; charset=utf-8').send(source);
  });
}
