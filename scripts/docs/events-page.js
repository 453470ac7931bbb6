// docs/events.md: every type of event with an example, from the table in src/events/event-types.ts.
import { eventTypes } from './load-source.js';
import { writeTable } from './markdown.js';

/** Writes the page as Markdown. */
export function writeEventsPage() {
  const types = Object.entries(eventTypes);
  const rows = types.map(([type, { meaning, scope }]) => [
    `[\`${type}\`](#${anchorOf(type)})`,
    meaning,
    `\`${scope}\``,
  ]);
  return `<!-- Generated from src/events/event-types.ts by \`npm run generate:docs\`: edits here are lost. -->

# Events

Every executed change is an event: one that was committed, by the API, the command line or the server itself. Rejected calls, dry runs and
repeated calls are none. The audit log is the source, so that there is no event without its change and no change without its event.

${writeTable(['type', 'when, and what `data` has', 'scope'], rows)}

## The envelope

An event is the same in each way of receiving it:

\`\`\`json
${JSON.stringify(exampleOf('group.purged', eventTypes['group.purged']), null, 2)}
\`\`\`

- \`data.id\` is the id of the event, unique and stable. An event may be received more than once: the id shows that.
- \`data.account\` and \`data.requestId\` are those of the audit log.
- \`timestamp\` is the start of the change's transaction.
- **Order.** The events of a group are in the order of their commits. Events of different groups that change concurrently may be in any order,
  which is the same for all receivers.
- **Delay.** A few milliseconds after the commit on the server that made the change, a quarter of a second on other servers and for changes by
  commands. An event waits for changes that began to write their audit event before it, and have not ended.

## Receiving events

**Subscription.** Send \`groupEvents\` to \`POST /graphql\` with \`Accept: text/event-stream\` (GraphQL over SSE, distinct connections mode),
or with \`Accept: multipart/mixed;subscriptionSpec=1.0\` (Apollo). Apollo Client's \`HttpLink\`, urql's \`fetchExchange\` with
\`fetchSubscriptions: true\` and the client of graphql-sse do this by themselves:

\`\`\`sh
curl -N http://127.0.0.1:4000/graphql -H "X-APIKEY: $ADMIN_API_KEY" -H 'Content-Type: application/json' \\
  -d '{"query":"subscription { groupEvents(types: [GROUP_DELETED]) { id type timestamp data } }"}'
\`\`\`

In \`types\` the names are in upper case with \`_\` instead of the dot: \`GROUP_DELETED\`. A rejected subscription is one result with
\`errors\`, then the end. \`MAX_SUBSCRIPTIONS\` limits the number of open ones on a server; a heartbeat is sent each 15 seconds. The stream ends
when the server stops, within five seconds when the account is disabled, expires or loses \`groups:read\`, and when the client reads nothing for
30 seconds while there is something to read. A client that reads slowly is not disconnected, however much is unread: the server stores 64 KiB and
one event for it at most, and reads the rest from the database when it is its turn. A browser opens at most six connections to a server over HTTP/1.1: use HTTP/2 at the proxy.

**Webhooks.** The servers send each event to your URLs, signed: [webhooks.md](webhooks.md).

**Command line.** \`group-api events\` prints events as they are committed, \`group-api events --json\` one a line.

## Catching up after an outage

Store the id of the last event that you have processed, and continue after it, on any server, also after a restart:

\`\`\`graphql
subscription ($after: ID) { groupEvents(after: $after) { id type timestamp data } }
\`\`\`

Events can be read for seven days; an \`AUDIT_RETENTION_DAYS\` below 7 shortens that. With an id that is older, or that the database does
not have, the subscription ends with \`NOT_FOUND\`: read the groups again with \`searchGroups\`, and subscribe without \`after\`. To miss nothing in
between, subscribe first, and read the groups when the response has begun: it begins when no later event can be missed.

**After a restore or a failover.** A restored database continues its own events: what was restored is not sent again. If the database has lost
its last changes (a restore to an earlier time, a failover with asynchronous replication), open subscriptions end with \`NOT_FOUND\`, and so
does one with the id of a lost event.

**Erased usernames.** After \`group-api subscribers erase\` the events that can still be read have the pseudonym.

## Types

${types.map(([type, description]) => writeType(type, description)).join('\n\n')}
`;
}

function writeType(type, description) {
  return `### ${type}

${capitalize(description.meaning)}. Operations in the audit log: ${description.operations.map((name) => `\`${name}\``).join(', ')}. Scope: \`${description.scope}\`.

\`\`\`json
${JSON.stringify(exampleOf(type, description), null, 2)}
\`\`\``;
}

function exampleOf(type, { example }) {
  return {
    type,
    timestamp: '2026-11-26T09:30:00.000Z',
    data: {
      id: '1042-0-1795685400000',
      account: 'shop',
      requestId: 'c0ffee00-1111-4222-8333-444455556666',
      ...example,
    },
  };
}

function anchorOf(type) {
  return type.replaceAll('.', '');
}

function capitalize(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
