import type { App } from '../app.ts';

/** Returns the text shown when the server is ready, with a curl command to try. */
export function describeStart({ url, database, createdKey, sampleGroupId }: App): string {
  const keyHeader = createdKey ? `'X-APIKEY: ${createdKey}'` : '"X-APIKEY: $ADMIN_API_KEY"';
  const [title, path, body] =
    sampleGroupId === undefined
      ? ['Search groups', 'searchGroups', '{"first":10}']
      : ['Delete a sample group', 'deleteGroup', `{"id":${sampleGroupId}}`];
  const curl = `curl ${url}/${path} -H ${keyHeader} -H 'Content-Type: application/json' -d '${body}'`;

  return `
  group-api is ready

  GraphQL    ${url}/graphql
  Explorer   ${url}/${createdKey ? `#key=${encodeURIComponent(createdKey)}` : ''}
  Database   ${database}
${createdKey ? `  Key        ${createdKey}   (shown only once: store it, or set ADMIN_API_KEY)\n` : ''}
  ${title}${createdKey ? '' : ' (set ADMIN_API_KEY to your key; if it is lost: npx group-api accounts rotate admin)'}:
  ${curl}

`;
}
