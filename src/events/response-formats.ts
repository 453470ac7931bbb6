import { acceptsMediaType } from '../http/media-type.ts';

/** How the results of a subscription are written into one HTTP response. */
export type ResponseFormat = {
  readonly contentType: string;
  /** Precedes the results, so that the client receives the head of the response. */
  readonly start: string;
  /** Writes a result, which is the text of JSON. */
  readonly next: (result: string) => string;
  /** Shows that the connection is alive. */
  readonly heartbeat: string;
  /** Ends the results. */
  readonly complete: string;
};

/**
 * Server-Sent Events, as GraphQL over SSE describes them in its distinct connections mode.
 * @see https://github.com/enisdenjo/graphql-sse/blob/master/PROTOCOL.md#distinct-connections-mode
 */
const eventStream: ResponseFormat = {
  contentType: 'text/event-stream; charset=utf-8',
  start: ':\n\n',
  next: (result) => `event: next\ndata: ${result}\n\n`,
  heartbeat: ':\n\n',
  complete: 'event: complete\ndata: \n\n',
};

const boundary = 'graphql';
const part = (json: string) => `\r\nContent-Type: application/json\r\n\r\n${json}\r\n--${boundary}`;

/**
 * Apollo's multipart protocol. A boundary follows each part immediately: clients wait for it.
 * @see https://www.apollographql.com/docs/graphos/routing/operations/subscriptions/multipart-protocol
 */
const multipart: ResponseFormat = {
  contentType: `multipart/mixed;boundary="${boundary}";subscriptionSpec=1.0`,
  start: `\r\n--${boundary}`,
  next: (result) => part(`{"payload":${result}}`),
  heartbeat: part('{}'),
  complete: '--\r\n',
};

/** Chooses the format by the request's `Accept`; undefined if the client accepts none. */
export function chooseResponseFormat(accept: string | undefined): ResponseFormat | undefined {
  const isMultipart = /\bmultipart\/mixed\b[^,]*\bsubscriptionSpec\b/i.test(accept ?? '');
  if (isMultipart && !/\btext\/event-stream\b/i.test(accept!)) return multipart;
  return acceptsMediaType(accept, 'text/event-stream') ? eventStream : undefined;
}
