/** What an account may be allowed to do. The last ones are the paths of the services, as the autodialer vendor grants them. */
export const allScopes = [
  '*',
  'groups:read',
  'groups:write',
  'groups:delete',
  'subscribers:read',
  'subscribers:write',
  'audit:read',
  'accounts:admin',
  'autodialer/groups/add',
  'autodialer/groups/update',
  'autodialer/groups/remove',
  'autodialer/groups/search',
  'autodialer/groups/upload',
] as const;

export type Scope = (typeof allScopes)[number];

/** Tells whether a value is one of them. */
export function isScope(value: unknown): value is Scope {
  return allScopes.some((scope) => scope === value);
}

/** Tells whether scopes that were granted hold the one that is asked for; `*` holds all of them. */
export function hasScope(granted: ReadonlySet<string>, scope: Scope): boolean {
  return granted.has(scope) || granted.has('*');
}
