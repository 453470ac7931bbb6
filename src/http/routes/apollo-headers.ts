import { HeaderMap, type HTTPGraphQLRequest } from '@apollo/server';
import type { FastifyRequest } from 'fastify';
import { graphQLHeaders } from '../../graphql/apollo.ts';
import type { GraphQLMediaType } from '../media-type.ts';

/** Returns a request as Apollo Server reads it from HTTP. It has a query string (of a GET) or the JSON of a body. */
export function toHttpRequest(
  request: FastifyRequest,
  { request: body, search }: { readonly request: unknown; readonly search?: string },
  mediaType: GraphQLMediaType,
): HTTPGraphQLRequest {
  return {
    method: request.method,
    headers: apolloHeadersOf(request, mediaType),
    search: search ?? '',
    body: search === undefined ? body : undefined,
  };
}

/**
 * Returns the headers that Apollo Server reads. Of a request with a JSON body it needs none but `accept`: browsers send
 * such a body to another site only after a preflight (CSRF).
 */
function apolloHeadersOf(request: FastifyRequest, mediaType: GraphQLMediaType): HeaderMap {
  if (request.body !== undefined) return jsonBodyHeaders[mediaType];
  const headers = new HeaderMap([['accept', mediaType]]);
  for (const name of graphQLHeaders) {
    const value = request.headers[name];
    // CSRF: browsers attach cached Basic credentials to cross-site requests, so Basic auth does not prove that a
    // request was intended.
    if (value === undefined || (name === 'authorization' && !/^bearer /i.test(String(value)))) continue;
    headers.set(name, Array.isArray(value) ? value.join(', ') : value);
  }
  return headers;
}

/** By the media type of the response. `application/json` is the default of Apollo Server, without a negotiation. */
const jsonBodyHeaders = {
  'application/json': new HeaderMap([['apollo-require-preflight', 'true']]),
  'application/graphql-response+json': new HeaderMap([
    ['accept', 'application/graphql-response+json'],
    ['apollo-require-preflight', 'true'],
  ]),
};
