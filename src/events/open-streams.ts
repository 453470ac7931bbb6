import type { FastifyReply, FastifyRequest } from 'fastify';
import { AppError } from '../errors.ts';
import { onResponseClosed } from '../http/hooks/graceful-shutdown.ts';

/** How often the open streams are checked. */
const tickMs = 1000;
/** How often credentials are checked again: a disabled account loses its streams within five seconds. */
const authenticationMs = 2000;
/** A stream without events sends a heartbeat after this time, so that proxies do not close it. */
const heartbeatMs = 15_000;
/** How long a piece of a response may stay unread; then the connection is closed. */
const unreadMs = 30_000;

/** One subscription that is being served. */
export type OpenStream = {
  /** Aborted when the client has gone, the server closes or the account has lost its rights. */
  readonly signal: AbortSignal;
  /** Receives the function that wakes up the stream for a heartbeat. */
  readonly onIdle: (wakeUp: () => void) => void;
  /** The scopes that the account has now. */
  readonly scopes: () => ReadonlySet<string>;
  /** Marks a piece as sent, and returns it. */
  readonly sent: (piece: string) => string;
  /** Whether a heartbeat is due. */
  readonly isQuiet: () => boolean;
  /** The error because of which the stream ends, if there is one. */
  readonly endError: () => AppError | undefined;
};

/** Creates the registry of the open streams of a server, at most `maximum`. One timer serves all of them. */
export function createOpenStreams(maximum: number) {
  const ticks = new Set<(now: number) => void>();
  let timer: NodeJS.Timeout | undefined;
  const remove = (tick: (now: number) => void) => {
    ticks.delete(tick);
    if (ticks.size > 0) return;
    clearInterval(timer);
    timer = undefined;
  };

  return {
    /** Returns the number of open streams. */
    count: () => ticks.size,

    /** Opens a stream; it is closed with the response. @throws AppError SERVICE_UNAVAILABLE above the limit */
    open(request: FastifyRequest, reply: FastifyReply): OpenStream {
      if (ticks.size >= maximum) {
        throw new AppError(
          'SERVICE_UNAVAILABLE',
          `The server has ${maximum} subscriptions, and its operator allows no more (MAX_SUBSCRIPTIONS). Try again later`,
        );
      }
      const controller = new AbortController();
      let { scopes } = request.principal!;
      let endError: AppError | undefined;
      let wakeUp = () => {};
      let authenticatedAt = Date.now();
      let sentAt = Date.now();

      const authenticate = async () => {
        try {
          ({ scopes } = await request.authenticateAgain());
          if (scopes.has('*') || scopes.has('groups:read')) return;
          throw new AppError('FORBIDDEN', 'The account needs the scope groups:read');
        } catch (error) {
          // While the database is unavailable, there are no events either.
          if (!(error instanceof AppError) || error.code === 'SERVICE_UNAVAILABLE') return;
          endError = error;
          controller.abort();
        }
      };
      const tick = (now: number) => {
        if (now - authenticatedAt >= authenticationMs) {
          authenticatedAt = now;
          void authenticate();
        }
        if (!reply.raw.writableNeedDrain) {
          if (now - sentAt >= heartbeatMs) wakeUp();
        } else if (now - sentAt >= unreadMs) reply.raw.destroy();
      };
      ticks.add(tick);
      timer ??= setInterval(() => {
        const now = Date.now();
        for (const run of ticks) run(now);
      }, tickMs).unref();
      const { closing } = request.server;
      const end = () => controller.abort();
      closing.addEventListener('abort', end);
      if (closing.aborted) end();
      // The client may have gone while the subscription was prepared.
      onResponseClosed(request.raw, reply.raw, () => {
        remove(tick);
        closing.removeEventListener('abort', end);
        end();
      });

      return {
        signal: controller.signal,
        onIdle: (wake) => void (wakeUp = wake),
        scopes: () => scopes,
        sent(piece) {
          sentAt = Date.now();
          return piece;
        },
        isQuiet: () => Date.now() - sentAt >= heartbeatMs,
        endError: () => endError,
      };
    },
  };
}
