const sandboxUrl = 'https://studio.apollographql.com/sandbox/explorer';

/** Writes the page at `/sandbox`: a link to Apollo Sandbox for this server, and its requirements. */
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
      <p>Apollo Sandbox is hosted by Apollo and <strong>needs the internet</strong>; the <a href="./">explorer of this server</a> does not.</p>
      <ul>
        <li>In its connection settings, set the shared header <code>X-APIKEY</code> to your key.</li>
        <li>The server allows Apollo Sandbox by default only if it listens on loopback. Otherwise set
          <code>CORS_ORIGINS=https://studio.apollographql.com</code> and use HTTPS: browsers block HTTPS pages from calling plain-HTTP
          servers except on localhost (mixed content).</li>
      </ul>
    </main>
  </body>
</html>
`;
}

function escapeHtml(text: string): string {
  return text.replace(/[<>&"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
