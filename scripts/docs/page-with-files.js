// docs/clients.md and docs/webhooks.md: inserts the examples, which the tests run, into the handwritten pages.
import { readFileSync } from 'node:fs';

const languages = { py: 'python' };

/** Returns a page with the current text of each file between its marks: `<!-- file: … -->` and `<!-- end -->`. */
export function writePageWithFiles(page) {
  return readFileSync(page, 'utf8').replaceAll(
    /^(<!-- file: (\S+) -->\n)[^]*?^(<!-- end -->)$/gm,
    (_all, start, name, end) => {
      const extension = name.split('.').at(-1);
      const text = readFileSync(name, 'utf8').trim();
      return `${start}\n\`\`\`${languages[extension] ?? extension}\n${text}\n\`\`\`\n\n${end}`;
    },
  );
}
