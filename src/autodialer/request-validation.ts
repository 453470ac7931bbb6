import type { FastifyRequest } from 'fastify';
import type { Static, TSchema } from 'typebox';
import { AppError, badInput } from '../errors.ts';

/**
 * Validates a body against the schema of a request. @throws AppError BAD_REQUEST if it is not an object;
 * BAD_USER_INPUT
 */
export function requireValid<Schema extends TSchema>(
  request: FastifyRequest,
  schema: Schema,
  body: unknown,
): Static<Schema> {
  if (typeof body !== 'object' || body === null || Array.isArray(body))
    throw new AppError('BAD_REQUEST', 'The body is not a JSON object');
  const validate = request.getValidationFunction(schema) ?? request.compileValidationSchema(schema);
  if (validate(body)) return body as Static<Schema>;
  throw toBadInput(validate.errors as unknown as Problem[]);
}

/** An error of the validator, with the schema that the value violates. */
type Problem = {
  readonly instancePath: string;
  readonly keyword: string;
  readonly params: Readonly<Record<string, unknown>>;
  readonly parentSchema?: { readonly title?: string };
};

const typeNames: Readonly<Record<string, string>> = {
  string: 'a string',
  integer: 'a whole number',
  object: 'an object',
  array: 'a list',
};

function toBadInput([problem]: Problem[]): AppError {
  const { instancePath, keyword, params, parentSchema } = problem!;
  const path = instancePath.split('/').slice(1);
  const below = (name: unknown) => [...path, String(name)].join('.');
  const argument = path.join('.');
  switch (keyword) {
    case 'required':
      return missing(below(params['missingProperty']));
    case 'additionalProperties':
      return badInput(below(params['additionalProperty']), 'there is no such field');
    case 'type':
      return badInput(argument, `${argument} must be ${typeNames[String(params['type'])]}`);
    case 'maxLength':
      return badInput(argument, `${argument} must have at most ${String(params['limit'])} characters`);
    case 'minimum':
      return badInput(argument, `${argument} must be at least ${String(params['limit'])}`);
    case 'maximum':
      return badInput(argument, `${argument} must be at most ${String(params['limit'])}`);
    default:
      return badInput(argument, `${argument} must be ${parentSchema?.title ?? 'another one'}`);
  }
}

/** Creates the error for a missing required field, in the vendor's words. */
export function missing(field: string): AppError {
  return badInput(field, 'value is missing');
}
