/** Who sent a request, and over which way: what the audit says of everyone. */
export type Caller = {
  readonly account: string;
  /** The kind of credential, never the credential itself. */
  readonly credential: string;
  readonly address: string;
  readonly userAgent: string | null;
  readonly requestId: string;
};

/** One call of a mutation: who calls what, on which targets, and whether it may be a repeated call. */
export type Call = Caller & {
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
  /** To be called when the answer is that of an earlier call with the same key. */
  readonly markReplayed: () => void;
};
