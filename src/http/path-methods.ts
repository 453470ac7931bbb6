import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { AppError } from '../errors.ts';
import { excerptOf } from '../validation/quote-value.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The methods that a route accepts, if it is registered for more methods in order to reject them itself. */
    methods?: readonly string[];
  }
}

/** The methods of all registered paths. */
export type PathMethods = {
  /** Returns the methods of a request's path; for `*` and unknown paths, the methods that any path may have. */
  allowedFor(request: FastifyRequest): string[];
  /** Returns the error of a request without a route: 405 if its path has other methods, otherwise 404. */
  missingRouteError(request: FastifyRequest, reply: FastifyReply): AppError;
};

const anyMethods = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE'];

/** Collects the methods of all routes that are registered after this call. */
export function trackPathMethods(http: FastifyInstance): PathMethods {
  const methodsByPath = new Map<string, ReadonlySet<string>>();
  http.addHook('onRoute', ({ url, method, config }) => {
    if (url.includes('*')) return;
    const methods = config?.methods ?? [...(methodsByPath.get(url) ?? []), method].flat();
    methodsByPath.set(url, new Set(methods));
  });

  return {
    allowedFor: (request) => [...(methodsByPath.get(pathOf(request)) ?? anyMethods), 'OPTIONS'],

    missingRouteError(request, reply) {
      const path = pathOf(request);
      const methods = methodsByPath.get(path);
      if (!methods || methods.has(request.method))
        return new AppError('PATH_NOT_FOUND', `No route for ${request.method} ${excerptOf(path)}`);
      reply.header('Allow', [...methods, 'OPTIONS'].join(', '));
      return new AppError('METHOD_NOT_ALLOWED', `Use ${[...methods].join(' or ')}, not ${request.method}`);
    },
  };
}

/** Returns the path of a request, whose target may be an absolute URL. */
function pathOf({ url }: FastifyRequest): string {
  return url.replace(/^https?:\/\/[^/?#]*/i, '').split('?')[0] || '/';
}
