import { createRequire } from 'node:module';
import type { FastifyServerOptions } from 'fastify';

type Compilers = NonNullable<NonNullable<FastifyServerOptions['schemaController']>['compilersFactory']>;
type BuildCompiler = (schemas: unknown, options: unknown) => (route: unknown) => unknown;

/** Resolves as Fastify does, whose dependencies the compilers are. */
const requireAsFastify = createRequire(createRequire(import.meta.url).resolve('fastify'));

/**
 * Fastify's own compilers of JSON schemas, loaded when the first schema is compiled: Ajv is a tenth of the files of a
 * start, and only the autodialer's requests have schemas.
 */
export const lazySchemaCompilers = {
  buildValidator: loadOnDemand('@fastify/ajv-compiler'),
  buildSerializer: loadOnDemand('@fastify/fast-json-stringify-compiler'),
} as Compilers;

function loadOnDemand(name: string): BuildCompiler {
  return (schemas, options) => {
    let compile: ReturnType<BuildCompiler> | undefined;
    return (route) => {
      compile ??= (requireAsFastify(name) as () => BuildCompiler)()(schemas, options);
      return compile(route);
    };
  };
}
