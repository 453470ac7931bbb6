/** An authenticated caller and its scopes. */
export type Principal = {
  readonly account: string;
  readonly credential: 'api-key' | 'basic' | 'both' | 'jwt';
  readonly scopes: ReadonlySet<string>;
};
