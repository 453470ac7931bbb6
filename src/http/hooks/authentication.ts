import type { IncomingMessage } from 'node:http';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Authenticator, Credentials } from '../../accounts/authentication.ts';
import type { Principal } from '../../accounts/principal.ts';
import { AppError } from '../../errors.ts';
import type { Caller } from '../../mutations/mutation-call.ts';
import { isRepeated, normalizeIp } from './request-head.ts';
import type { RateLimits } from './rate-limits.ts';
import { signInFailed } from '../../measurements/channels.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Requires no credentials. */
    isPublic?: boolean;
    /** Processes its body while it is received. */
    isStreamed?: boolean;
  }
  interface FastifyRequest {
    /** The authenticated caller; undefined on public routes. */
    principal: Principal | undefined;
    /**
     * Checks the credentials of the request again, for a response that stays open.
     * @throws AppError UNAUTHENTICATED, FORBIDDEN, SERVICE_UNAVAILABLE
     */
    authenticateAgain: () => Promise<Principal>;
  }
}

/** Authenticates requests and applies the rate limits, before a request's body is read. */
export function requireAuthentication(
  http: FastifyInstance,
  authenticator: Authenticator,
  limits: RateLimits,
): void {
  http.decorateRequest('principal', undefined);
  http.decorateRequest('authenticateAgain', function (this: FastifyRequest) {
    return authenticator.authenticate(parseCredentials(this.raw), normalizeIp(this.ip));
  });

  const { requireAddressRate, requireAccountRate } = limits;
  const hasRates = requireAddressRate !== undefined || requireAccountRate !== undefined;

  http.addHook('onRequest', (request, reply, done) => {
    if (request.is404 || request.routeOptions.config.isPublic) {
      done();
      return;
    }
    const endSignIn = request.summary.trace?.startSignIn();
    // Without a promise, if nothing has to be waited for: most requests have a key whose account is cached.
    const credentials = hasRates ? undefined : parseCredentials(request.raw);
    request.principal = credentials && authenticator.findCached(credentials, normalizeIp(request.ip));
    if (request.principal) {
      endSignIn?.(true);
      done();
      return;
    }
    requirePrincipal(request, reply)
      .finally(() => endSignIn?.(request.principal !== undefined))
      .then(() => done(), done);
  });

  async function requirePrincipal(request: FastifyRequest, reply: FastifyReply): Promise<void> {
    await requireAddressRate?.(request, reply);
    request.principal = await authenticateRequest(request, reply);
    await requireAccountRate?.(request, reply);
  }

  async function authenticateRequest(request: FastifyRequest, reply: FastifyReply): Promise<Principal> {
    const credentials = parseCredentials(request.raw);
    // A recently verified password is accepted regardless of failed attempts by others at the same address.
    if (credentials.basic && !(await authenticator.isRecentlyVerified(credentials.basic)))
      await limits.requireFailureQuota(request, reply);
    try {
      return await authenticator.authenticate(credentials, normalizeIp(request.ip));
    } catch (error) {
      const isAttempt = credentials.token !== undefined || credentials.basic !== undefined;
      if (isAttempt && error instanceof AppError && error.code === 'UNAUTHENTICATED') {
        if (signInFailed.hasSubscribers)
          signInFailed.publish({ credential: credentials.basic ? 'basic' : 'token' });
        await limits.recordFailure(request, reply);
      }
      throw error;
    }
  }
}

/** Returns the sender of a request, for the audit log. The route must not be public. */
export function callerOf(request: FastifyRequest): Caller {
  const { account, credential } = request.principal!;
  return {
    account,
    credential,
    address: normalizeIp(request.ip),
    userAgent: request.headers['user-agent'] ?? null,
    requestId: request.id,
  };
}

/**
 * Parses the credentials of a request: `Authorization: Bearer <key or token>`, `Authorization: Basic …` and
 * `X-APIKEY: <key>`.
 * @throws AppError UNAUTHENTICATED if a header is repeated or malformed: a proxy may have checked the other value
 */
function parseCredentials({ headers, rawHeaders }: IncomingMessage): Credentials {
  for (const name of credentialHeaders) {
    if (isRepeated(name, rawHeaders)) throw invalidCredentials(`Send one ${name} header`);
  }
  const apiKey = headers['x-apikey'] as string | undefined;
  const { token, basic } = parseAuthorization(headers.authorization);
  if (apiKey && token !== undefined && apiKey !== token) {
    throw invalidCredentials(
      'Send the key either as a Bearer token or as X-APIKEY, not a different key in each',
    );
  }
  if (!apiKey && token === undefined && basic === undefined) {
    if (apiKey === '') throw emptyCredentials('The header X-APIKEY');
    if (headers.authorization === '') throw emptyCredentials('The header Authorization');
  }
  return { token: token ?? (apiKey || undefined), basic };
}

const credentialHeaders = ['authorization', 'x-apikey'];

function parseAuthorization(value: string | undefined): Credentials {
  if (!value) return {};
  // The schemes are case-insensitive: https://www.rfc-editor.org/rfc/rfc9110#section-11.1
  const [, scheme = '', credentials = ''] = /^(\S+) +(\S+) *$/.exec(value) ?? [];
  switch (scheme.toLowerCase()) {
    case 'bearer':
      return { token: credentials };
    case 'basic':
      return { basic: parseBasic(credentials) };
    default:
      if (/^(bearer|basic)$/i.test(value))
        throw emptyCredentials(`The value of ${value} in the header Authorization`);
      throw invalidCredentials(
        'Send "Authorization: Bearer <key>" or "Authorization: Basic <username:password in Base64>"',
      );
  }
}

/** https://www.rfc-editor.org/rfc/rfc7617#section-2: the first colon ends the username. */
function parseBasic(credentials: string): { username: string; password: string } {
  const text = Buffer.from(credentials, 'base64').toString();
  const colon = text.indexOf(':');
  if (colon === -1) throw invalidCredentials('Basic credentials must be "username:password" in Base64');
  return { username: text.slice(0, colon), password: text.slice(colon + 1) };
}

/** The error for a header without a value, as a script sends it whose variable is not set. */
function emptyCredentials(subject: string): AppError {
  return invalidCredentials(`${subject} is empty. Send the credentials of an account`);
}

function invalidCredentials(message: string): AppError {
  return new AppError('UNAUTHENTICATED', message);
}
