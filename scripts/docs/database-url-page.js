// docs/database-url.md: every parameter of DATABASE_URL, from the table in src/postgres/url-parameters.ts.
import { describeParameters } from './load-source.js';
import { writeTable } from './markdown.js';

/** Writes the page as Markdown. */
export function writeDatabaseUrlPage() {
  const { applied, rejected } = describeParameters();
  return `<!-- Generated from src/postgres/url-parameters.ts by \`npm run generate:docs\`: edits here are lost. -->

# DATABASE_URL

\`postgresql://user:password@host:5432/database?parameter=value&…\`. In the user name and the password, \`/ # ? % @ : &\` must be
percent-encoded (\`/\` is \`%2F\`, \`@\` is \`%40\`). Each part of the URL is applied, or the start rejects it by name; no part of a password is ever
printed. An IPv6 address is in brackets: \`[::1]:5432\`. The folder of a Unix socket is the percent-encoded host, or the
parameter \`host\`: \`postgresql:///database?host=/var/run/postgresql&user=group_api\`.

## Parameters

${writeTable(['parameter', 'meaning'], [])}
${applied}

\`sslmode=require\` checks the certificate and the host name as \`verify-full\` does, since encryption alone does not keep a third party from
reading the password. \`prefer\` and \`allow\` are rejected: they may send everything unencrypted.

\`options\`, \`statement_timeout\` and \`idle_in_transaction_session_timeout\` are set by a statement, so that they work through a pooler, too. The
settings that group-api sets itself, such as \`TimeZone\`, are rejected in \`options\`.

## Rejected parameters

Every other parameter is rejected. For some the message says what to do:

${writeTable(['parameter', 'instead'], [])}
${rejected}

## Several hosts

\`postgresql://user:password@one:5432,two:5432/database?target_session_attrs=read-write\`: connections go to the first host that accepts writes.
If it no longer does, because it has stopped or is now a standby, new connections go to the next one, and so on in a circle. A host that
does not respond is left after a second, or after \`connect_timeout\`.
`;
}
