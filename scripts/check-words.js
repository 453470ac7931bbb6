// Fails if a text uses a word for which CONTRIBUTING.md ("Words") has a better one. Checks the source, the schema and
// the documents, and the titles and comments of the tests. `node scripts/check-words.js [folder]`; without a folder:
// this project.
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Between two words of a phrase: the line may end there, within a comment too. */
const gap = String.raw`\s+(?:(?:\*|//|#|>)\s+)?`;

/**
 * Words to avoid, better ones, and a pattern if the words alone are not exact enough. CONTRIBUTING.md has the same
 * rows.
 */
export const swaps = [
  [
    'answers (as a verb)',
    'returns, responds with',
    /\b[Aa]nswers? (?:`?[1-5]\d\d\b|(?:with|whether|that|what|the|an?)\b)/,
  ],
  ['tells whether, tells of', 'returns whether, reports', /\b[Tt]ells? (?:whether|of|that|what|which|how)\b/],
  ['is told', 'is notified, receives', /\b(?:is|are|be|been|being|was|were) told\b/],
  ['refuse, refuses, refused, refusing, refusal, refusals', 'reject, rejection, error'],
  ['whoever, who calls, what calls', 'the caller'],
  ['nobody', 'no one, no client'],
  ['beside', 'next to, in addition to, while … runs'],
  ['none: (a default)', 'unset:', /(?<!or )\b[Nn]one: /],
  ['door, doors', 'endpoint'],
  ['room, rooms', 'module, folder', /(?<!make |[A-Za-z])[Rr]ooms?\b(?! (?:for|to|left)\b)/],
  ['the seed, the seeds', "the vendor's documented example"],
  ['at this moment, at the same moment, at a moment', 'currently, concurrently, at a time'],
  ['had its time, had their time', 'expired'],
  ['kept in the audit', 'stored in the audit', /\b(?:[Kk]ept|[Kk]eeps?|[Kk]eeping) in the audit\b/],
  ['taken up, takes up, take up, took up', 'picked up, reloaded'],
  ['go on behind, goes on behind', 'continue after'],
  ['in place of, in the place of', 'instead of'],
  ['for good', 'permanently', /\bfor good\b(?! reason)/],
  ['of ours, of theirs, of yours, of its own, of their own', 'our, its own, custom'],
  ['unplanned', 'unexpected'],
  [
    'the database is away',
    'unavailable',
    /\b(?:database|server|PostgreSQL) (?:that )?(?:is|was|were|goes|went|being) away\b/,
  ],
  ['carried out, carries out, carry out', 'executed'],
].map(([words, better, pattern = patternOf(words.split(', '))]) => ({
  words,
  better,
  pattern: new RegExp(pattern.source.replaceAll(' ', gap), 'g'),
}));

/** Whole words, and parts of names: `door` and `openDoor`, not `indoor`. */
function patternOf(phrases) {
  const forms = phrases.map((phrase) => {
    const [first, rest] = [phrase[0], phrase.slice(1)];
    return `(?:(?<![A-Za-z])[${first}${first.toUpperCase()}]|(?<=[a-z])${first.toUpperCase()})${rest}(?![a-z])`;
  });
  return new RegExp(forms.join('|'));
}

const roots = ['src', 'explorer', 'scripts', 'test', 'docs', 'schema.graphql'];
const pages = ['README.md', 'SECURITY.md', 'CONTRIBUTING.md', 'ARCHITECTURE.md'];
const isText = /\.(?:tsx?|js|css|html|md|graphql)$/;
/** Generated from texts that are checked, or has the words on purpose. */
const isLeftOut = /(?:^|\/)generated\/|^docs\/api\.md$|(?:^|\/)check-words(?:\.test)?\.[jt]s$/;

function filesIn(folder, path) {
  if (!existsSync(join(folder, path))) return [];
  if (!statSync(join(folder, path)).isDirectory()) return [path];
  return readdirSync(join(folder, path), { recursive: true }).map(
    (name) => `${path}/${name.replaceAll(sep, '/')}`,
  );
}

const titleOrComment =
  /(?:\b(?:test|describe)(?:\.\w+)*|[\])}`])\(\s*(?:'[^'\n]*'|"[^"\n]*"|`[^`\n]*`)|(?:^|\s)\/\/ .*|\/\*\*?\s[^]*?\*\//gm;

/** A value of the API, which stays as it is. */
const auditOutcome = /(['`])refused\1/g;

/** What is checked of a file, each part in its own line; the rest is blank. */
function checkedPart(path, text) {
  const blank = (part) => part.replace(/[^\n]/g, ' ');
  if (path === 'CONTRIBUTING.md') return text.replace(/^## Words\n[^]*?(?=^## |(?![^]))/m, blank);
  if (!path.startsWith('test/')) return text.replace(auditOutcome, blank);
  let end = 0;
  const parts = [...text.matchAll(titleOrComment)].map(({ 0: part, index }) => {
    const before = blank(text.slice(end, index));
    end = index + part.length;
    return before + part;
  });
  return parts.join('');
}

/** Finds the words to avoid in a folder that is laid out as this project, as lines to print. */
export function findWords(folder) {
  return [...roots, ...pages]
    .flatMap((path) => filesIn(folder, path))
    .filter((path) => isText.test(path) && !isLeftOut.test(path))
    .flatMap((path) => {
      const text = checkedPart(path, readFileSync(join(folder, path), 'utf8'));
      return swaps
        .flatMap(({ pattern, better }) => [...text.matchAll(pattern)].map((match) => ({ ...match, better })))
        .toSorted((one, other) => one.index - other.index)
        .map(({ 0: match, index, better }) => {
          const line = text.slice(0, index).split('\n').length;
          return `${path}:${line}: "${match.replace(new RegExp(gap, 'g'), ' ').trim()}" → ${better}`;
        });
    });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const findings = findWords(process.argv[2] ?? fileURLToPath(new URL('..', import.meta.url)));
  for (const finding of findings) console.error(finding);
  if (findings.length > 0)
    console.error(`${findings.length} words to replace: see "Words" in CONTRIBUTING.md`);
  process.exitCode = findings.length > 0 ? 1 : 0;
}
