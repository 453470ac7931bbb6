import { Readable } from 'node:stream';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { GraphQLError, type GraphQLSchema } from 'graphql';
import type { Config } from '../config/settings.ts';
import { limitConcurrency } from '../database/limit-concurrency.ts';
import { AppError } from '../errors.ts';
import type { PrismaClient } from '../generated/prisma/client.ts';
import { codeOf, formatError, isExpectedError } from '../graphql/format-error.ts';
import { createLimitCheck, type OperationLimits } from '../graphql/limits/operation-limits.ts';
import type { ServeSubscription } from '../http/routes/graphql.ts';
import type { Logger } from '../log.ts';
import type { MutationRunner } from '../mutations/mutation-runner.ts';
import { createEventFeed } from './event-feed.ts';
import { isReceived, type EventFilter } from './event-filter.ts';
import type { EventPosition } from './event-position.ts';
import { LostEventsError, streamEvents } from './event-stream.ts';
import { createFeedPoller } from './feed-poller.ts';
import { createOpenStreams, type OpenStream } from './open-streams.ts';
import { chooseResponseFormat, type ResponseFormat } from './response-formats.ts';
import { readSubscription, type SubscriptionQuery } from './subscription-query.ts';

type HandlerOptions = {
  readonly config: Config;
  readonly prisma: PrismaClient;
  readonly mutations: MutationRunner;
  readonly schema: GraphQLSchema;
  readonly limits: OperationLimits;
  readonly log: Logger;
};

/** How many streams at a time read earlier events from the database, which serves the other requests too. */
const maxConcurrentReads = 2;

/** The size of a piece of the response: the results of a page are written together up to it. */
const pieceLength = 64 * 1024;

/**
 * The subscription `groupEvents` over HTTP, by Server-Sent Events or Apollo's multipart protocol. `serve` serves a
 * request; `countOpen` returns the number of open subscriptions.
 */
export function createSubscriptionHandler({
  config,
  prisma,
  mutations,
  schema,
  limits,
  log,
}: HandlerOptions): { readonly serve: ServeSubscription; readonly countOpen: () => number } {
  const feed = createEventFeed(prisma);
  const poller = createFeedPoller(feed, (listener) => mutations.onCommit(listener), log);
  const readFeed = limitConcurrency(
    (position: EventPosition, types: EventFilter['types']) => feed.read(position, types),
    maxConcurrentReads,
  );
  const requireWithinLimits = createLimitCheck(schema, limits);
  const streams = createOpenStreams(config.MAX_SUBSCRIPTIONS);

  const serve: ServeSubscription = async (request, reply, subscription) => {
    const format = chooseResponseFormat(request.headers.accept);
    if (!format) {
      throw new AppError(
        'NOT_ACCEPTABLE',
        'Send "Accept: text/event-stream" or "Accept: multipart/mixed;subscriptionSpec=1.0" with a subscription',
      );
    }
    const prepare = async () => {
      const query = readSubscription(subscription, {
        schema,
        scopes: request.principal!.scopes,
        hideSuggestions: !config.INTROSPECTION,
        requireWithinLimits,
      });
      request.summary.rootFields = query.rootFields;
      return { query, after: query.after === undefined ? undefined : await feed.find(query.after) };
    };
    const prepared = await prepare().catch((error: unknown) => writeErrors(error, request));
    if (typeof prepared === 'string')
      return sendText(reply, format, [format.start, format.next(prepared), format.complete]);

    const stream = streams.open(request, reply);
    // From here on it is an open stream, which has another limit.
    request.releaseSlot();
    request.summary.isStream = true;
    // The line of the request is written at the end of the stream.
    request.log.info({ account: request.principal!.account, ip: request.ip }, 'a subscription was opened');
    const { query, after } = prepared;
    const { signal, onIdle } = stream;
    const events = streamEvents({ poller, readFeed, after, filter: query.filter, signal, onIdle });
    return sendText(reply, format, writeResponse(events, { format, query, stream, request }));
  };
  return { serve, countOpen: () => streams.count() };
}

type ResponseParts = {
  readonly format: ResponseFormat;
  readonly query: SubscriptionQuery;
  readonly stream: OpenStream;
  readonly request: FastifyRequest;
};

/** Writes the response, a piece at a time: the next one when the client has received the last one. */
async function* writeResponse(
  events: ReturnType<typeof streamEvents>,
  { format, query, stream, request }: ResponseParts,
): AsyncGenerator<string, void> {
  // Sent after the first page: a client that sees the response may rely on receiving all later events.
  let piece = format.start;
  try {
    for await (const page of events) {
      for (const event of page) {
        if (!isReceived(event, query.filter, stream.scopes())) continue;
        piece += format.next(query.writeResult(event));
        if (piece.length < pieceLength) continue;
        yield stream.sent(piece);
        piece = '';
      }
      if (piece === '' && stream.isQuiet()) piece = format.heartbeat;
      if (piece !== '') yield stream.sent(piece);
      piece = '';
    }
    if (stream.endError() !== undefined) piece += format.next(writeErrors(stream.endError(), request));
  } catch (error) {
    piece += format.next(writeErrors(error instanceof LostEventsError ? lostEvents() : error, request));
  }
  yield piece + format.complete;
}

function sendText(
  reply: FastifyReply,
  { contentType }: ResponseFormat,
  pieces: Iterable<string> | AsyncIterable<string>,
): FastifyReply {
  // Without it, nginx would collect the results.
  return reply
    .header('X-Accel-Buffering', 'no')
    .type(contentType)
    .send(Readable.from(pieces, { objectMode: false, highWaterMark: 1 }));
}

function lostEvents(): AppError {
  return new AppError(
    'NOT_FOUND',
    'The database has lost its last transactions, of which you may have received events. Read the groups again, and ' +
      'subscribe without after',
  );
}

/** Writes the result of a rejected subscription, as the text of JSON. Unexpected errors are logged and masked. */
function writeErrors(error: unknown, request: FastifyRequest): string {
  const errors = (Array.isArray(error) ? error : [error]).map((one: unknown) => {
    if (!isExpectedError(one)) request.log.error({ err: one }, 'unexpected error');
    return formatError(one instanceof GraphQLError ? one.toJSON() : { message: '' }, one);
  });
  request.summary.errorCode = codeOf(errors[0]);
  return JSON.stringify({ errors });
}
