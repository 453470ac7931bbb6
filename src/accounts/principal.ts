/** Whoever was let in, and what it may do. */
export type Principal = {
  readonly account: string;
  readonly credential: 'api-key' | 'basic' | 'both' | 'jwt';
  readonly scopes: ReadonlySet<string>;
};
