// Generates the documents that are derived from the schema and the tests. With --check it writes nothing, and fails
// if a document is not up to date.
import { readFileSync, writeFileSync } from 'node:fs';
import { format, resolveConfig } from 'prettier';
import { writeApiPage } from './docs/api-page.js';
import { writeClientPage } from './docs/client-page.js';
import { writeRequestCollection } from './docs/request-collection.js';

const isCheck = process.argv.includes('--check');
const documents = [
  ['docs/api.md', await inFormat('docs/api.md', writeApiPage())],
  ['docs/clients.md', await inFormat('docs/clients.md', writeClientPage())],
  ['docs/group-api.http', writeRequestCollection()],
];
const stale = documents.filter(([name, text]) => text !== readOrNothing(name));
if (!isCheck) for (const [name, text] of stale) writeFileSync(name, text);
if (isCheck && stale.length > 0) {
  for (const [name] of stale) console.error(`${name} is not up to date: run npm run generate:docs`);
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
