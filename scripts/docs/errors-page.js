// docs/errors.md: every error code, from the table in src/errors.ts.
import { errorTable } from './load-source.js';
import { writeTable } from './markdown.js';

/** Writes the page as Markdown. */
export function writeErrorsPage() {
  const rows = Object.entries(errorTable).map(([code, { status, meaning, retry }]) => [
    `\`${code}\``,
    status,
    meaning,
    retry,
  ]);
  return `<!-- Generated from src/errors.ts by \`npm run generate:docs\`: edits here are lost. -->

# Errors

An error has a \`message\` for people and a \`code\` for programs; \`extensions\` also has the details that the table names:

\`\`\`json
{
  "errors": [
    {
      "message": "Cannot delete group with active subscribers",
      "path": ["deleteGroup"],
      "extensions": { "code": "HAS_ACTIVE_SUBSCRIBERS", "subscriberCount": 1 }
    }
  ],
  "data": { "deleteGroup": null }
}
\`\`\`

**Status.** \`POST /<operation>\` returns the status of the table. \`/graphql\` follows
[GraphQL over HTTP](https://graphql.github.io/graphql-over-http/draft/): an operation that was executed returns 200, with its errors in the
body (503 if the database was unavailable for all of it); what is rejected before its execution returns the status of the table. Clients that
accept only \`application/json\` also get 200 for a well-formed request that cannot be parsed or validated as GraphQL. A mutation that made
its change always returns 200, even if a field of its result failed.

\`locations\` are positions in the query of the request: absent if the request has none ([short form](api.md#the-short-form)).

**Messages** are for people and may change; programs read \`code\` and its details. The message of a missing group begins with
\`Group not found\`. To an account with the scope \`groups:read\`, that of a group in the archive continues with the delete:
\`Group not found: group 7 was deleted on 2026-11-26T07:40:00.000Z by admin. restoreGroup restores it until 2026-12-26T07:40:00.000Z\`.
Any other account, and any account for an unknown id, gets \`Group not found\` and \`extensions.id\`, and with several groups in a call the
argument. Values in messages are shortened to 100 characters.

**Retry?** \`no\`: the same request fails again. \`after a change\`: it may succeed once the group, the account or the server's settings have
changed. \`yes\`: it may succeed; wait for the seconds of \`Retry-After\` if the response has that header, and send a mutation with the
\`Idempotency-Key\` of the first attempt, with which it is executed once. [Retrying safely](retries.md) has the rules and an example.

${writeTable(['code', 'status', 'meaning', 'retry?'], rows)}

[api.md](api.md) lists the errors of each operation. The autodialer's REST API has [its own error format](autodialer.md#errors).
`;
}
