import type { FastifyInstance } from 'fastify';

const writePage = (origin: string) => `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <meta name="viewport" content="width=device-width, initial-scale=1" />
    <title>group-api</title>
  </head>
  <body>
    <h1>group-api</h1>
    <p>The GraphQL API is at <code>/graphql</code>. Every operation is also at a path of its own:</p>
    <pre>curl ${origin}/deleteGroup -H "X-APIKEY: $ADMIN_API_KEY" -H "Content-Type: application/json" -d '{"id":1}'</pre>
    <p>Point GraphiQL or Apollo Sandbox at <code>/graphql</code>, with the header <code>X-APIKEY</code>, to explore it.</p>
  </body>
</html>
`;

/** `/`: says where things are to a person who opens the server in a browser. */
export function registerIndexRoute(http: FastifyInstance): void {
  http.get('/', { config: { isPublic: true } }, (request, reply) =>
    reply
      .type('text/html; charset=utf-8')
      .send(writePage(escapeHtml(`${request.protocol}://${request.host}`))),
  );
}

function escapeHtml(text: string): string {
  return text.replace(/[<>&"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
