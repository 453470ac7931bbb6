// docs/clients.md: inserts the examples, which the tests run, into the hand-written page.
import { readFileSync } from 'node:fs';

/** Returns the page with the current text of each file between its markers: `<!-- file: … -->` and `<!-- end -->`. */
export function writeClientPage() {
  return readFileSync('docs/clients.md', 'utf8').replaceAll(
    /^(<!-- file: (\S+) -->\n)[^]*?^(<!-- end -->)$/gm,
    (_all, start, name, end) =>
      `${start}\n\`\`\`${name.split('.').at(-1)}\n${readFileSync(name, 'utf8').trim()}\n\`\`\`\n\n${end}`,
  );
}
