const sandboxUrl = 'https://studio.apollographql.com/sandbox/explorer';

/** The page at `/sandbox`: the way to Apollo Sandbox with this server filled in, and what it needs. */
export function writeSandboxPage(endpoint: string): string {
  const link = `${sandboxUrl}?endpoint=${encodeURIComponent(endpoint)}`;
  return `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <meta name="viewport" content="width=device-width, initial-scale=1" />
    <meta name="color-scheme" content="light dark" />
    <title>group-api: Apollo Sandbox</title>
    <style>
      html { background: Canvas; color: CanvasText; color-scheme: light dark; }
      body { max-width: 40em; margin: 3em auto; padding: 0 1em; font: 16px/1.5 system-ui, sans-serif; }
      code { overflow-wrap: anywhere; }
    </style>
  </head>
  <body>
    <main>
      <h1>Apollo Sandbox</h1>
      <p><a href="${escapeHtml(link)}">Open Apollo Sandbox with <code>${escapeHtml(endpoint)}</code></a></p>
      <p>It is a page of Apollo's and <strong>needs the internet</strong>; the <a href="./">explorer of this server</a> does not.</p>
      <ul>
        <li>Give it your key in the connection settings, as the shared header <code>X-APIKEY</code>.</li>
        <li>The server lets it in by itself where it listens on loopback only. Elsewhere set
          <code>CORS_ORIGINS=https://studio.apollographql.com</code>, and serve by HTTPS: browsers let no page of HTTPS call plain HTTP
          but on this machine.</li>
      </ul>
    </main>
  </body>
</html>
`;
}

function escapeHtml(text: string): string {
  return text.replace(/[<>&"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
