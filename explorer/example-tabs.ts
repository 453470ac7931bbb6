const twelveFields = `id
    name
    description
    tagName
    duration
    price
    usernamePostfix
    usernamePostfixId
    dailyBandwidth
    multiLoginCount
    downloadUpload
    ip`;

/** An operation and its variables, as the editors have them. */
export type Tab = { readonly query: string; readonly variables: string };

/** The ids in the examples: a group that exists, and a group that can be restored. */
export type ExampleIds = { readonly group: number; readonly deletedGroup: number };

/** The tabs of a new page: the main tasks. Nothing in them is stored unless the user writes it, such as a reason. */
export const createExampleTabs = (ids: ExampleIds): readonly Tab[] => [
  createTab(
    `# Deletes a group and returns the deleted row.
# Asks for confirmation, with a preview.
# restoreGroup undoes it, for some days.
# The audit log stores the reason, if any.
mutation DeleteGroup($id: Int!, $reason: String) {
  deleteGroup(id: $id, reason: $reason) {
    ${twelveFields}
  }
}`,
    { id: ids.group },
  ),
  createTab(
    `# Previews a delete. Nothing is deleted.
# deleteGroup with dryRun: true runs it and rolls back.
query PreviewDelete($id: Int!) {
  groupDeletionImpact(id: $id) {
    canDelete
    blockers { code message }
    activeSubscribers
    pendingSubscribers
    endedSubscribers
    group {
      id
      name
      subscriberCount
      radiusAttributes { attribute value }
    }
  }
}`,
    { id: ids.group },
  ),
  createTab(
    `# Restores a deleted group with its id and fields.
# Possible until purgeAt, which DeletedGroups shows.
# The arrow of the run button selects one of the two.
mutation RestoreGroup($id: Int!) {
  restoreGroup(id: $id) {
    ${twelveFields}
  }
}

query DeletedGroups {
  deletedGroups(first: 10) {
    nodes {
      id
      deletedAt
      deletedBy
      reason
      purgeAt
      group { name }
    }
  }
}`,
    { id: ids.deletedGroup },
  ),
  createTab(
    `# Creates a group. The price is a string,
# since it is an exact decimal.
mutation CreateGroup($group: GroupEdit!) {
  createGroup(group: $group) {
    ${twelveFields}
  }
}`,
    { group: { name: 'Ten days', tagName: 'ten-days', duration: 10, price: '4.90', dailyBandwidth: '10GB' } },
  ),
  createTab(
    `# Searches groups, one page at a time.
# Pass endCursor as "after" to get the next page.
query SearchGroups(
  $filter: GroupFilter
  $after: String
) {
  searchGroups(
    filter: $filter
    orderBy: { field: PRICE, direction: DESC }
    first: 20
    after: $after
  ) {
    nodes {
      id
      name
      tagName
      duration
      price
      subscriberCount
    }
    pageInfo { hasNextPage endCursor }
    totalCount
  }
}`,
    { filter: { text: 'year', maxPrice: '150' } },
  ),
  createTab(
    `# All mutations and their callers, rejected ones too.
query AuditEvents($filter: AuditFilter) {
  auditEvents(filter: $filter, first: 20) {
    nodes {
      at
      account
      operation
      targetIds
      outcome
      errorCode
      reason
    }
  }
}`,
    { filter: { operation: 'deleteGroup' } },
  ),
  createTab(
    `# Listens for changes and shows the latest one,
# also of other clients. The run button stops it.
# Pass an event's id as "after" to continue.
subscription GroupEvents(
  $types: [EventType!]
  $after: ID
) {
  groupEvents(types: $types, after: $after) {
    id
    type
    timestamp
    data
  }
}`,
    { types: ['GROUP_CREATED', 'GROUP_EDITED', 'GROUP_DELETED', 'GROUP_RESTORED'] },
  ),
];

/** Creates a tab with formatted variables. */
export function createTab(query: string, variables: object): Tab {
  return { query, variables: JSON.stringify(variables, null, 2) };
}
