// Merges the coverage of `npm test -- --coverage` and `npm run test:reliability -- --coverage`, and fails below the
// threshold.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import coverage from 'istanbul-lib-coverage';

const minimumPercent = 90;
const root = join(import.meta.dirname, '..');
const map = coverage.createCoverageMap();
for (const name of ['fast', 'reliability']) {
  const file = join(root, 'coverage', name, 'coverage-final.json');
  if (existsSync(file)) map.merge(JSON.parse(readFileSync(file, 'utf8')));
  else console.log(`${file} is missing: its run counts as nothing`);
}
const { lines } = map.getCoverageSummary();
console.log(`Coverage of src: ${lines.pct} % of lines (${lines.covered} of ${lines.total})`);
if (!(lines.pct >= minimumPercent)) {
  console.log(`To fix: add tests until it is ${minimumPercent} % at least`);
  const worst = map
    .files()
    .map((name) => ({ name, ...map.fileCoverageFor(name).toSummary().lines }))
    .toSorted((a, b) => b.total - b.covered - (a.total - a.covered));
  for (const { name, total, covered } of worst.slice(0, 10))
    console.log(`  ${name.slice(root.length + 1)}: ${total - covered} of ${total} lines not covered`);
  process.exitCode = 1;
}
