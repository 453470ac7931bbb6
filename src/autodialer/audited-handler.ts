import type { FastifyReply, FastifyRequest, RouteHandlerMethod } from 'fastify';
import { hasScope, type Scope } from '../accounts/scopes.ts';
import { noDetails, type MutationCall } from '../mutations/mutation-call.ts';
import type { MutationRunner } from '../mutations/mutation-runner.ts';
import { fingerprintOf, requireIdempotencyKey } from '../mutations/idempotency.ts';
import { AppError } from '../errors.ts';
import { callerOf } from '../http/hooks/authentication.ts';
import { acceptsMediaType } from '../http/media-type.ts';

/** The vendor's services. */
export type ServiceName = 'add' | 'update' | 'remove' | 'search' | 'upload';

/** Returns the path of a service, which is both its scope and its operation in the audit log. */
function operationOf(service: ServiceName): Scope {
  return `autodialer/groups/${service}`;
}

/** @throws AppError FORBIDDEN */
function requireScope(request: FastifyRequest, service: ServiceName): void {
  const scope = operationOf(service);
  if (hasScope(request.principal!.scopes, scope)) return;
  throw new AppError('FORBIDDEN', `The account needs the scope ${scope}`, { requiredScope: scope });
}

const mediaType = 'application/json';

/** @throws AppError NOT_ACCEPTABLE */
function requireAcceptedResponse({ headers }: FastifyRequest): void {
  if (acceptsMediaType(headers.accept, mediaType)) return;
  throw new AppError('NOT_ACCEPTABLE', `Send "Accept: ${mediaType}". Nothing was executed`);
}

/** Creates a hook that notes the service of a request in its summary. */
export function createSummaryHook(service: ServiceName) {
  const rootFields = [operationOf(service)];
  return async (request: FastifyRequest): Promise<void> => {
    request.summary.rootFields = rootFields;
  };
}

/** Executes a handler within the span of its operation, if tracing is on. */
export function tracedHandler(handler: RouteHandlerMethod): RouteHandlerMethod {
  return function (request, reply) {
    const handle = async () => handler.call(this, request, reply);
    const { trace } = request.summary;
    return trace ? trace.runOperation(handle) : handle();
  };
}

/** Creates a hook that requires the scope of a service, and audits rejected calls of services that change something. */
export function createScopeCheck(service: ServiceName, mutations: MutationRunner) {
  return createCheck(service, mutations, (request) => requireScope(request, service));
}

/**
 * Creates a hook that rejects requests whose client cannot read the response, and audits rejected calls of services
 * that change something.
 */
export function createAcceptCheck(service: ServiceName, mutations: MutationRunner) {
  return createCheck(service, mutations, requireAcceptedResponse);
}

function createCheck(
  service: ServiceName,
  mutations: MutationRunner,
  check: (request: FastifyRequest) => void,
) {
  return async (request: FastifyRequest, reply: FastifyReply): Promise<void> => {
    try {
      check(request);
    } catch (error) {
      if (service !== 'search') await mutations.auditRejection(createCall(request, reply, service), error);
      throw error;
    }
  };
}

type About = { readonly targetId?: string | undefined; readonly args?: object };

/**
 * The work of a service that changes something. It calls `describe` as soon as the target and the arguments are
 * known.
 */
type Work = (
  request: FastifyRequest,
  reply: FastifyReply,
  describe: (about: About) => MutationCall,
) => Promise<unknown>;

/** Errors of a request that could not be parsed as a call. */
const brokenRequestCodes: readonly unknown[] = ['BAD_REQUEST', 'PAYLOAD_TOO_LARGE', 'UNSUPPORTED_MEDIA_TYPE'];

/** Requests whose handler has started, and writes their audit event itself. */
const handled = new WeakSet<FastifyRequest>();

/** Creates a hook that audits calls with a repeated field, which are rejected before the handler starts. */
export function createRepeatedKeyAudit(service: ServiceName, mutations: MutationRunner) {
  return async (request: FastifyRequest, reply: FastifyReply, error: Error): Promise<void> => {
    const isRepeatedKey = error instanceof AppError && error.code === 'BAD_USER_INPUT';
    if (!isRepeatedKey || handled.has(request) || service === 'search') return;
    await mutations.auditRejection(createCall(request, reply, service), error);
  };
}

/** Creates the handler of a service that changes something, which audits rejected calls. */
export function auditedHandler(service: ServiceName, mutations: MutationRunner, work: Work) {
  return async (request: FastifyRequest, reply: FastifyReply): Promise<unknown> => {
    handled.add(request);
    let call = createCall(request, reply, service);
    const describe = (about: About) => {
      call = createCall(request, reply, service, about);
      const key = readKey(request);
      if (key !== undefined) requireIdempotencyKey(key);
      return call;
    };
    try {
      return await work(request, reply, describe);
    } catch (error) {
      const isBroken = error instanceof AppError && brokenRequestCodes.includes(error.code);
      if (!isBroken) await mutations.auditRejection(call, error);
      throw error;
    }
  };
}

function createCall(
  request: FastifyRequest,
  reply: FastifyReply,
  service: ServiceName,
  { targetId, args = {} }: About = {},
): MutationCall {
  return {
    ...callerOf(request),
    operation: operationOf(service),
    targetIds: targetId === undefined ? [] : [targetId],
    reason: null,
    isDryRun: false,
    idempotencyKey: readKey(request) ?? null,
    fingerprint: fingerprintOf(args),
    selectedDetails: noDetails,
    summary: request.summary,
    markReplayed: () => {
      request.summary.isReplayed = true;
      reply.header('Idempotency-Replayed', 'true');
    },
  };
}

function readKey({ headers }: FastifyRequest): string | undefined {
  return headers['idempotency-key'] as string | undefined;
}
