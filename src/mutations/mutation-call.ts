import type { RequestSummary } from '../measurements/request-summary.ts';

/** The sender of a request, as stored in the audit log. */
export type Caller = {
  readonly account: string;
  /** The kind of credential, never the credential itself. */
  readonly credential: string;
  readonly address: string;
  readonly userAgent: string | null;
  readonly requestId: string;
};

/**
 * The details that a call selects of the groups in its result. A mutation reads them in its own transaction: a later
 * read could fail although the change was made, or return changes made by others since.
 */
export type SelectedDetails = {
  /** The group of a subscriber. */
  readonly group: boolean;
  readonly serviceGroup: boolean;
  readonly subscriberCount: boolean;
  readonly radiusAttributes: boolean;
  /** Pages of active subscribers: `first` of them after the username `after`. */
  readonly subscriberPages: readonly { readonly first: number; readonly after: string }[];
};

/** The selection of a call that returns no groups, or none of their details. */
export const noDetails: SelectedDetails = {
  group: false,
  serviceGroup: false,
  subscriberCount: false,
  radiusAttributes: false,
  subscriberPages: [],
};

/** One call of a mutation: the caller, the operation, the targets and the idempotency key. */
export type MutationCall = Caller & {
  readonly operation: string;
  /** The ids in the arguments; invalid ones are omitted. */
  readonly targetIds: readonly string[];
  readonly reason: string | null;
  /** Changes nothing; only an audit event is written. */
  readonly isDryRun: boolean;
  /** The caller's Idempotency-Key; null if it sent none. */
  readonly idempotencyKey: string | null;
  /** A hash of the arguments, to detect a key that is reused with other arguments. */
  readonly fingerprint: string;
  readonly selectedDetails: SelectedDetails;
  /** Called if the stored response of an earlier call with the same key is returned. */
  readonly markReplayed: () => void;
  /** Where the times of the call are noted; undefined if it is part of no request. */
  readonly summary?: RequestSummary | undefined;
};
