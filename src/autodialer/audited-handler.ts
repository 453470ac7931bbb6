import type { FastifyReply, FastifyRequest } from 'fastify';
import { hasScope, type Scope } from '../accounts/scopes.ts';
import { noDetails, type MutationCall } from '../mutations/mutation-call.ts';
import type { MutationRunner } from '../mutations/mutation-runner.ts';
import { fingerprintOf, requireIdempotencyKey } from '../mutations/idempotency.ts';
import { AppError } from '../errors.ts';
import { callerOf } from '../http/caller.ts';

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
export function createScopeCheck(service: ServiceName, mutations: MutationRunner) {
  return async (request: FastifyRequest, reply: FastifyReply): Promise<void> => {
    try {
      requireScope(request, service);
    } catch (error) {
      if (service !== 'search') await mutations.auditRejection(createCall(request, reply, service), error);
      throw error;
    }
  };
}

type About = { readonly targetId?: string | undefined; readonly args?: object };

/** What a service that changes something does; `describe` takes what the call is about, as soon as that is known. */
type Work = (
  request: FastifyRequest,
  reply: FastifyReply,
  describe: (about: About) => MutationCall,
) => Promise<unknown>;

/** Where a request never became a call. */
const brokenRequestCodes: readonly unknown[] = ['BAD_REQUEST', 'PAYLOAD_TOO_LARGE', 'UNSUPPORTED_MEDIA_TYPE'];

/** The requests whose handler has begun, which sees to their audit entry itself. */
const handled = new WeakSet<FastifyRequest>();

/** Creates a hook that records a call whose body names a field twice: it is rejected before the handler can read it. */
export function createRepeatedKeyRecorder(service: ServiceName, mutations: MutationRunner) {
  return async (request: FastifyRequest, reply: FastifyReply, error: Error): Promise<void> => {
    const isRepeatedKey = error instanceof AppError && error.code === 'BAD_USER_INPUT';
    if (!isRepeatedKey || handled.has(request) || service === 'search') return;
    await mutations.auditRejection(createCall(request, reply, service), error);
  };
}

/** Makes a handler of a service that changes something: a call that is refused is in the audit too. */
export function recorded(service: ServiceName, mutations: MutationRunner, work: Work) {
  return async (request: FastifyRequest, reply: FastifyReply): Promise<unknown> => {
    handled.add(request);
    let call = createCall(request, reply, service);
    const describe = (about: About) => {
      call = createCall(request, reply, service, about);
      requireIdempotencyKey(readKey(request));
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
    markReplayed: () => reply.header('Idempotency-Replayed', 'true'),
  };
}

function readKey({ headers }: FastifyRequest): string | undefined {
  return headers['idempotency-key'] as string | undefined;
}
