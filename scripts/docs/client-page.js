// docs/clients.md: puts the examples, which the tests run, into the page that is written by hand.
import { readFileSync } from 'node:fs';

/** Answers the page with the present text of each file between its marks: `<!-- file: … -->` and `<!-- end -->`. */
export function writeClientPage() {
  return readFileSync('docs/clients.md', 'utf8').replaceAll(
    /^(<!-- file: (\S+) -->\n)[^]*?^(<!-- end -->)$/gm,
    (_all, start, name, end) =>
      `${start}\n\`\`\`${name.split('.').at(-1)}\n${readFileSync(name, 'utf8').trim()}\n\`\`\`\n\n${end}`,
  );
}
