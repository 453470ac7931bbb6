import { HeaderMap } from '@apollo/server';
import type { FastifyRequest } from 'fastify';
import { graphQLHeaders } from '../../graphql/apollo.ts';
import { chooseMediaType } from '../media-type.ts';

/**
 * Returns the headers that Apollo Server reads. Of a request with a JSON body it needs none but `accept`: browsers send
 * such a body to another site only after a preflight (CSRF).
 */
export function apolloHeadersOf(request: FastifyRequest): HeaderMap {
  // The media type is chosen once, so that errors before GraphQL have the same one.
  const mediaType = chooseMediaType(request.headers.accept) ?? 'application/json';
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
