/** All scopes. The scopes of the autodialer are the paths of its services, as at the vendor. */
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

/** Returns whether a value is a scope. */
export function isScope(value: unknown): value is Scope {
  return allScopes.some((scope) => scope === value);
}

/** Returns whether the granted scopes include a scope; `*` includes all. */
export function hasScope(granted: ReadonlySet<string>, scope: Scope): boolean {
  return granted.has(scope) || granted.has('*');
}
