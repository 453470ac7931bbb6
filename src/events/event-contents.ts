// Builds `data` of an event from the rows that the audit log has.

/** Fields of a row, or of several rows, as the audit log has them: with the API's names. */
export type Fields = { readonly [field: string]: unknown };

/** What an event says about one thing: the fields of `data`, and the groups that the event is about. */
export type EventContent = { readonly data: Fields; readonly groupIds: readonly number[] };

/** Returns the fields of a row; none if the row is null. */
export function fieldsOf(json: unknown): Fields {
  return (json ?? {}) as Fields;
}

/** Returns the rows of a call with one group or several. */
export function rowsOf(json: unknown): readonly unknown[] {
  return Array.isArray(json) ? json : [json];
}

/** Returns the fields that remain of a purged row. */
export function identityOf(json: unknown): Fields {
  const { id, name } = fieldsOf(json);
  return { id, name };
}

/** Returns the content of an event about one group, with further fields of `data`. */
export function aboutGroup(json: unknown, data: Fields = {}): readonly EventContent[] {
  const group = groupOf(json);
  return [{ data: { group, ...data }, groupIds: [group['id'] as number] }];
}

/** Returns a group without the column that describes a retirement, which is internal; `retiresAt` is its date. */
export function groupOf(json: unknown): Fields {
  const { retirement: _retirement, ...group } = fieldsOf(json);
  return group;
}

/** Returns the content of an event about a subscription. */
export function aboutSubscription(json: unknown): readonly EventContent[] {
  const { username, groupId, startsAt, expiresAt } = fieldsOf(json);
  return [{ data: { username, groupId, startsAt, expiresAt }, groupIds: [groupId as number] }];
}

/** Returns the content of an event about a number group, with further fields of `data`. */
export function aboutNumberGroup(json: unknown, data: Fields = {}): readonly EventContent[] {
  return [{ data: { numberGroup: numberGroupOf(json), ...data }, groupIds: [] }];
}

/** Returns a number group without the id of its list of numbers, which is internal. */
export function numberGroupOf(json: unknown): Fields {
  const { listId: _listId, ...numberGroup } = fieldsOf(json);
  return numberGroup;
}
