import type { App } from '../app.ts';

/** What a person is told when the server is ready, with a line to paste. */
export function describeStart({ url, database, createdKey, sampleGroupId }: App): string {
  const keyHeader = createdKey ? `'X-APIKEY: ${createdKey}'` : '"X-APIKEY: $ADMIN_API_KEY"';
  const [what, path, body] =
    sampleGroupId === undefined
      ? ['Find groups', 'searchGroups', '{"first":10}']
      : ['Delete a sample group', 'deleteGroup', `{"id":${sampleGroupId}}`];
  const curl = `curl ${url}/${path} -H ${keyHeader} -H 'Content-Type: application/json' -d '${body}'`;

  return `
  group-api is ready

  GraphQL    ${url}/graphql
  Explorer   ${url}/${createdKey ? `#key=${encodeURIComponent(createdKey)}` : ''}
  Database   ${database}
${createdKey ? `  Key        ${createdKey}   (shown this once: keep it, or set ADMIN_API_KEY)\n` : ''}
  ${what}${createdKey ? '' : ' (ADMIN_API_KEY must hold your key; lost? npx group-api accounts rotate admin)'}:
  ${curl}

`;
}
