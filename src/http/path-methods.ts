import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { AppError } from '../errors.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The methods that a route accepts, if it is registered for further ones in order to reject them itself. */
    methods?: readonly string[];
  }
}

/** The methods of the paths that routes are registered for. */
export type PathMethods = {
  /** The methods of a request's path; of a path that leads nowhere, and of `*`, those that any path has. */
  allowedFor(request: FastifyRequest): string[];
  /** Returns the error of a request that no route takes: 405 if its path has other methods, else 404. */
  missingRouteError(request: FastifyRequest, reply: FastifyReply): AppError;
};

const anyMethods = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE'];

/** Notes the methods of all routes that are added from now on. */
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
        return new AppError('PATH_NOT_FOUND', `No route for ${request.method} ${path}`);
      reply.header('Allow', [...methods, 'OPTIONS'].join(', '));
      return new AppError('METHOD_NOT_ALLOWED', `Use ${[...methods].join(' or ')}, not ${request.method}`);
    },
  };
}

/** The path of a request, whose target may be a whole URL. */
function pathOf({ url }: FastifyRequest): string {
  return url.replace(/^https?:\/\/[^/?#]*/i, '').split('?')[0] || '/';
}
