// Writes the documents that are generated from the schema, the settings, the errors and the tests. With --check it
// writes nothing, and fails if one of them is out of date.
import { readFileSync, writeFileSync } from 'node:fs';
import { format, resolveConfig } from 'prettier';
import { writeApiPage } from './docs/api-page.js';
import { writePageWithFiles } from './docs/page-with-files.js';
import { writeDatabaseUrlPage } from './docs/database-url-page.js';
import { writeErrorsPage } from './docs/errors-page.js';
import { writeEventsPage } from './docs/events-page.js';
import { writeGrafanaDashboard } from './docs/grafana-dashboard.js';
import { writeMetricsPage } from './docs/metrics-page.js';
import { writeEnvExample } from './docs/env-example.js';
import { writeSettingsPage } from './docs/settings-page.js';

const isCheck = process.argv.includes('--check');
const documents = [
  ['docs/api.md', await inFormat('docs/api.md', writeApiPage())],
  ['docs/clients.md', await inFormat('docs/clients.md', writePageWithFiles('docs/clients.md'))],
  ['docs/database-url.md', await inFormat('docs/database-url.md', writeDatabaseUrlPage())],
  ['docs/errors.md', await inFormat('docs/errors.md', writeErrorsPage())],
  ['docs/events.md', await inFormat('docs/events.md', writeEventsPage())],
  ['docs/grafana-dashboard.json', await inFormat('docs/grafana-dashboard.json', writeGrafanaDashboard())],
  ['docs/metrics.md', await inFormat('docs/metrics.md', writeMetricsPage())],
  ['docs/settings.md', await inFormat('docs/settings.md', writeSettingsPage())],
  ['docs/webhooks.md', await inFormat('docs/webhooks.md', writePageWithFiles('docs/webhooks.md'))],
  ['.env.example', await writeEnvExample()],
];
const stale = documents.filter(([name, text]) => text !== readOrNothing(name));
if (!isCheck) for (const [name, text] of stale) writeFileSync(name, text);
if (isCheck && stale.length > 0) {
  for (const [name] of stale) console.error(`${name} is out of date`);
  process.exit(1);
}

async function inFormat(filepath, text) {
  return format(text, { ...(await resolveConfig(filepath)), filepath });
}

function readOrNothing(name) {
  try {
    return readFileSync(name, 'utf8');
  } catch (error) {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  }
}
