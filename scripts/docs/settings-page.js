// docs/settings.md: every setting, from the table in src/config/settings.ts.
import { describeSettings } from './load-source.js';
import { writeTable } from './markdown.js';

/** Writes the page as Markdown. */
export function writeSettingsPage() {
  return `<!-- Generated from src/config/settings.ts by \`npm run generate:docs\`: edits here are lost. -->

# Settings

The server and every command read their settings from environment variables, and from a file \`.env\` in the folder where they are started:
lines of \`NAME=value\`, comments after \`#\`, quotes around values that contain a \`#\`. The environment takes precedence. An empty value counts
as unset. Invalid settings are reported at startup, all at once; so are misspelled names in \`.env\`. A misspelled name in the environment is a
warning.

${writeTable(['name', 'default', 'meaning'], [])}
${describeSettings()}

[operations.md](operations.md) has more on \`DATABASE_URL\`, TLS and reverse proxies, and overload protection;
[docker-compose.yml](../docker-compose.yml) shows the settings of a container.
`;
}
