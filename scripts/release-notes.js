// Prints the section of CHANGELOG.md about a version, given as a tag such as v0.2.0. Fails if the tag is not that of
// package.json, or if the section is missing or empty.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
const [tag = '', changelogFile = join(root, 'CHANGELOG.md')] = process.argv.slice(2);
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const notes = findSection(readFileSync(changelogFile, 'utf8'), version);
if (tag !== `v${version}`)
  fail(`the tag is "${tag}", but package.json has ${version}: it must be v${version}`);
else if (notes === undefined)
  fail(`CHANGELOG.md has no section "## [${version}] - YYYY-MM-DD", or it is empty`);
else process.stdout.write(`${notes}\n`);

function findSection(changelog, wanted) {
  const sections = changelog.split(/^## /m).slice(1);
  const section = sections.find((candidate) => candidate.startsWith(`[${wanted}] - `));
  const text = section
    ?.slice(section.indexOf('\n'))
    .replaceAll(/^\[[^\]]+\]: \S+$/gm, '')
    .trim();
  return text === '' ? undefined : text;
}

function fail(reason) {
  console.error(`release-notes: ${reason}`);
  process.exitCode = 1;
}
