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

/** What the page opens with: the main jobs, on the sample groups. */
export const exampleTabs: readonly { query: string; variables: string }[] = [
  tab(
    `# Deletes a group, and answers all that it was.
# You are asked first, and see whom it would meet.
# The tab RestoreGroup undoes it, for some days.
mutation DeleteGroup($id: Int!, $reason: String) {
  deleteGroup(id: $id, reason: $reason) {
    ${twelveFields}
  }
}`,
    { id: 1, reason: 'no longer sold' },
  ),
  tab(
    `# What a delete would meet. Nothing is deleted.
# deleteGroup with dryRun: true rehearses it.
query PreviewDelete($id: Int!) {
  groupDeletionImpact(id: $id) {
    group { id name subscriberCount }
    activeSubscribers
    pendingSubscribers
    endedSubscribers
    canDelete
    blockers { code message }
  }
}`,
    { id: 1 },
  ),
  tab(
    `# Undoes a delete: the same id and fields are back.
# It works until purgeAt, which DeletedGroups shows:
# the arrow lets you choose which of the two to run.
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
    { id: 1 },
  ),
  tab(
    `# Creates a group. Its price is an exact decimal,
# and therefore a string.
mutation CreateGroup($group: GroupEdit!) {
  createGroup(group: $group) {
    ${twelveFields}
  }
}`,
    { group: { name: 'Ten days', tagName: 'ten-days', duration: 10, price: '4.90', dailyBandwidth: '10GB' } },
  ),
  tab(
    `# Finds groups, a page at a time.
# Give endCursor as "after" for the next page.
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
  tab(
    `# Who did what, and what was refused.
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
];

function tab(query: string, variables: object) {
  return { query, variables: JSON.stringify(variables, null, 2) };
}
