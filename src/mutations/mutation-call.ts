/** Who sent a request, and over which way: what the audit says of everyone. */
export type Caller = {
  readonly account: string;
  /** The kind of credential, never the credential itself. */
  readonly credential: string;
  readonly address: string;
  readonly userAgent: string | null;
  readonly requestId: string;
};

/**
 * Which details of the groups in its result a call selects. A mutation reads them in its own transaction: read later, they
 * could fail for a change that was made, or show what others have changed since.
 */
export type SelectedDetails = {
  /** The group of a subscriber. */
  readonly group: boolean;
  readonly serviceGroup: boolean;
  readonly subscriberCount: boolean;
  /** Pages of active subscribers: `first` of them after the username `after`. */
  readonly subscriberPages: readonly { readonly first: number; readonly after: string }[];
};

/** The selection of a call that returns no groups, or none of their details. */
export const noDetails: SelectedDetails = {
  group: false,
  serviceGroup: false,
  subscriberCount: false,
  subscriberPages: [],
};

/** One call of a mutation: who calls what, on which targets, and whether it may be a repeated call. */
export type MutationCall = Caller & {
  readonly operation: string;
  /** The ids that the arguments name, as far as they are ids at all. */
  readonly targetIds: readonly string[];
  readonly reason: string | null;
  /** It is to leave nothing behind but its audit entry. */
  readonly isDryRun: boolean;
  /** The caller's Idempotency-Key, if it sent one. */
  readonly idempotencyKey: string | null;
  /** Tells these arguments from others under the same key. */
  readonly fingerprint: string;
  readonly selectedDetails: SelectedDetails;
  /** To be called when the answer is that of an earlier call with the same key. */
  readonly markReplayed: () => void;
};
