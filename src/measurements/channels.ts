import { channel } from 'node:diagnostics_channel';
import type { ErrorCode } from '../errors.ts';
import type { RequestSummary } from './request-summary.ts';

// What the server measures below HTTP, and the end of each request: published here, read by observability/. A message
// is created only while `hasSubscribers` is true. A subscriber must return immediately, must not throw, and must not
// change the message. Texts are from closed sets, unless their comment says otherwise. Times are in milliseconds.

/** A channel of Node with the type of its messages. There is one for the process, whatever number of apps it has. */
export type MeasurementChannel<Message> = {
  readonly hasSubscribers: boolean;
  publish(message: Message): void;
  subscribe(listener: (message: Message) => void): void;
  unsubscribe(listener: (message: Message) => void): boolean;
};

/** A request has ended: its response was sent, or its connection is closed. */
export const requestFinished = declareChannel<Readonly<RequestSummary>>('request-finished');

/** Overload: a request got 503, before any other work, or after its sign-in and once its body had arrived. */
export const requestRejected = declareChannel<{
  readonly reason: 'concurrent-requests' | 'event-loop-delay';
}>('request-rejected');

/** Credentials were sent and are invalid. */
export const signInFailed = declareChannel<{ readonly credential: 'token' | 'basic' }>('sign-in-failed');

/** The statement of one or more concurrent deletes has ended, successfully or not. */
export type FinishedBatch = {
  readonly size: number;
  /** `joint`: a batch of the group commit. `alone`: a delete that its batch could not execute, and that is repeated. */
  readonly kind: 'joint' | 'alone';
  /** How long each delete waited for this statement. */
  readonly waitsMs: readonly number[];
  readonly statementMs: number;
  readonly isSuccess: boolean;
};
export const batchFinished = declareChannel<FinishedBatch>('batch-finished');

/** A call of a mutation has ended: of a request, of a background job, of GraphQL or the autodialer. */
export type FinishedMutation = {
  /** The root field, or the autodialer's service. */
  readonly operation: string;
  readonly outcome: 'done' | 'replayed' | 'dry-run' | 'rejected';
  /** If the call was rejected. */
  readonly errorCode?: ErrorCode;
};
export const mutationFinished = declareChannel<FinishedMutation>('mutation-finished');

/** An attempt to send an event to a webhook has ended. */
type WebhookAttempt = {
  readonly webhookId: number;
  readonly isSuccess: boolean;
  /** The HTTP status, any number that a receiver sends; null without a response. */
  readonly status: number | null;
  readonly durationMs: number;
};
export const webhookAttempted = declareChannel<WebhookAttempt>('webhook-attempted');

/** The results of attempts were stored: how many deliveries are delivered, are retried later, and have failed. */
export const deliveriesStored = declareChannel<
  Readonly<Record<'delivered' | 'pending' | 'failed', number>> & { readonly webhookId: number }
>('deliveries-stored');

/** The server disabled a webhook. */
export const webhookDisabled = declareChannel<{ readonly webhookId: number }>('webhook-disabled');

/** An attempt to deliver a change to a session by RADIUS has ended. */
export type RadiusAttempt = {
  /** The last request; `none` if none was sent. */
  readonly request: 'disconnect' | 'coa' | 'none';
  /**
   * `session-not-found`: the NAS has no such session, which is a success. `not-sent`: the table `nas` has no secret, or
   * a value cannot be encoded. `session-ended`: no request was necessary.
   */
  readonly outcome: 'ack' | 'session-not-found' | 'nak' | 'no-response' | 'not-sent' | 'session-ended';
  /** The state of the delivery afterwards: `pending` if it is retried. */
  readonly status: 'delivered' | 'pending' | 'failed';
  readonly durationMs: number;
};
export const radiusAttempted = declareChannel<RadiusAttempt>('radius-attempted');

/** New events of the feed were read, at least one. */
type ReadEvents = {
  readonly reader: 'webhooks' | 'subscriptions';
  readonly count: number;
  /** The age of the oldest of them. */
  readonly lagMs: number;
};
export const eventsRead = declareChannel<ReadEvents>('events-read');

/** The outcome of a background job. `blocked`: by a lock or a time limit; `unavailable`: the database is. */
export type JobOutcome = 'done' | 'blocked' | 'unavailable' | 'failed';

/** A run of the purge has ended. */
type FinishedPurge = {
  readonly outcome: JobOutcome;
  readonly durationMs: number;
  /** The number of removed rows by kind, as far as the run came. */
  readonly removed: Readonly<Record<string, number>>;
};
export const purgeFinished = declareChannel<FinishedPurge>('purge-finished');

/** A run that deletes retired groups has ended. */
export const retirementFinished = declareChannel<{
  readonly outcome: JobOutcome;
  readonly deleted: number;
}>('retirement-finished');

function declareChannel<Message>(name: string): MeasurementChannel<Message> {
  return channel(`group-api:${name}`) as unknown as MeasurementChannel<Message>;
}
