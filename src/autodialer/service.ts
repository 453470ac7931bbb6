import type { FastifyReply, FastifyRequest } from 'fastify';
import type { TSchema, Static } from 'typebox';
import { hasScope, type Scope } from '../accounts/scopes.ts';
import type { Call } from '../audit/call.ts';
import type { CallRecorder } from '../audit/call-recorder.ts';
import { fingerprintOf, requireIdempotencyKey } from '../audit/idempotency-key.ts';
import { AppError, badInput } from '../errors.ts';
import { readCaller } from '../http/caller.ts';

/** The services of the vendor. */
export type ServiceName = 'add' | 'update' | 'remove' | 'search' | 'upload';

/** The scope that a service needs, and the operation that the audit names: both are its path. */
function operationOf(service: ServiceName): Scope {
  return `autodialer/groups/${service}`;
}

/** @throws AppError FORBIDDEN */
function requireScope(request: FastifyRequest, service: ServiceName): void {
  const scope = operationOf(service);
  if (hasScope(request.principal!.scopes, scope)) return;
  throw new AppError('FORBIDDEN', `The account needs the scope ${scope}`, { requiredScope: scope });
}

/** Lets accounts with the scope of a service in only. A call of one that changes something is in the audit where it is refused. */
export function createScopeCheck(service: ServiceName, recorder: CallRecorder) {
  return async (request: FastifyRequest, reply: FastifyReply): Promise<void> => {
    try {
      requireScope(request, service);
    } catch (error) {
      if (service !== 'search') await recorder.recordRefusal(createCall(request, reply, service), error);
      throw error;
    }
  };
}

type About = { readonly targetId?: string | undefined; readonly args?: object };

/** What a service that changes something does; `describe` takes what the call is about, as soon as that is known. */
type Work = (
  request: FastifyRequest,
  reply: FastifyReply,
  describe: (about: About) => Call,
) => Promise<unknown>;

/** Where a request never became a call. */
const brokenRequestCodes: readonly unknown[] = ['BAD_REQUEST', 'PAYLOAD_TOO_LARGE', 'UNSUPPORTED_MEDIA_TYPE'];

/** Makes a handler of a service that changes something: a call that is refused is in the audit too. */
export function recorded(service: ServiceName, recorder: CallRecorder, work: Work) {
  return async (request: FastifyRequest, reply: FastifyReply): Promise<unknown> => {
    let call = createCall(request, reply, service);
    try {
      requireIdempotencyKey(readKey(request));
      return await work(request, reply, (about) => (call = createCall(request, reply, service, about)));
    } catch (error) {
      const isBroken = error instanceof AppError && brokenRequestCodes.includes(error.code);
      if (!isBroken) await recorder.recordRefusal(call, error);
      throw error;
    }
  };
}

function createCall(
  request: FastifyRequest,
  reply: FastifyReply,
  service: ServiceName,
  { targetId, args = {} }: About = {},
): Call {
  return {
    ...readCaller(request),
    operation: operationOf(service),
    targetIds: targetId === undefined ? [] : [targetId],
    reason: null,
    isDryRun: false,
    idempotencyKey: readKey(request) ?? null,
    fingerprint: fingerprintOf(args),
    markReplayed: () => reply.header('Idempotency-Replayed', 'true'),
  };
}

function readKey({ headers }: FastifyRequest): string | undefined {
  return headers['idempotency-key'] as string | undefined;
}

/** Checks a body against the schema of a request. @throws AppError BAD_REQUEST where it is no object; BAD_USER_INPUT */
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

/** What the validator says of a value, with the schema that it does not fit. */
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
      return badInput(below(params['additionalProperty']), 'is not known');
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

/** A field that a request cannot do without. */
export function missing(field: string): AppError {
  return badInput(field, 'value is missing');
}
