// Fails if a text uses a word for which CONTRIBUTING.md ("Words") has a better one, or if a comment is too wide. Checks
// the words of the source, the schema and the documents, and of the titles and comments of the tests; and the width of
// the comments of the source. `node scripts/check-words.js [folder]`; without a folder: this project.
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
  ['somebody, anybody, everybody', 'someone, the caller, each client'],
  ['beside', 'next to, in addition to, while … runs'],
  ['none: (a default)', 'unset:', /(?<!or )\b[Nn]one: /],
  ['door, doors', 'endpoint'],
  ['room, rooms', 'module, folder', /(?<!make |[A-Za-z])[Rr]ooms?\b(?! (?:for|to|left)\b)/],
  ['the seed, the seeds', "the vendor's documented example"],
  ['at this moment, at the same moment, at a moment', 'currently, concurrently, at a time'],
  ['had its time, had their time', 'expired'],
  ['kept in the audit', 'stored in the audit', /\b(?:[Kk]ept|[Kk]eeps?|[Kk]eeping) in the audit\b/],
  ['taken up, takes up, take up, took up', 'picked up, reloaded'],
  ['is taken, are taken', 'is accepted, is in use', /\b(?:is|are|be|been|being|was|were|not) taken\b/],
  [
    'takes (an input)',
    'accepts',
    /\b[Tt]akes? (?:\w+ )?(?:arguments?|fields?|ids?|inputs?|keys?|names?|options?|parameters?|values?)\b/,
  ],
  [
    'holds, held (a row, a value)',
    'locks, contains, stores',
    patternOf(['hold', 'holds', 'held', 'holding']),
  ],
  ['behind (a cursor)', 'after', /(?<!')\b[Bb]ehind\b(?! (?:an?|the|another|one) (?:\w+ )?proxy\b)/],
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
  [
    'given, known, each, found (as names)',
    'the thing: requestedIds, row',
    /\b(?:const|let) (?:given|known|each|found)\b|\((?:given|known|each|found)\) =>/,
  ],
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
  /(?:\b(?:test|describe)\w*(?:\.\w+)*|[\])}`])\(\s*(?:'[^'\n]*'|"[^"\n]*"|`[^`\n]*`)|(?:^|\s)\/\/ .*|\/\*\*?\s[^]*?\*\//gm;

/** A value of the API, and a function of a migration, which stay as they are. */
const fixedNames = /(['`])refused\1|\brefuse_audit_change\b/g;

/** What is checked of a file, each part in its own line; the rest is blank. */
function checkedPart(path, text) {
  const blank = (part) => part.replace(/[^\n]/g, ' ');
  if (path === 'CONTRIBUTING.md') return text.replace(/^## Words\n[^]*?(?=^## |(?![^]))/m, blank);
  if (!path.startsWith('test/')) return text.replace(fixedNames, blank);
  let end = 0;
  const parts = [...text.matchAll(titleOrComment)].map(({ 0: part, index }) => {
    const before = blank(text.slice(end, index));
    end = index + part.length;
    return before + part;
  });
  return parts.join('');
}

function findWords(path, source) {
  const text = checkedPart(path, source);
  return swaps
    .flatMap(({ pattern, better }) => [...text.matchAll(pattern)].map((match) => ({ ...match, better })))
    .toSorted((one, other) => one.index - other.index)
    .map(({ 0: match, index, better }) => {
      const line = text.slice(0, index).split('\n').length;
      return `${path}:${line}: "${match.replace(new RegExp(gap, 'g'), ' ').trim()}" → ${better}`;
    });
}

const maxColumns = 120;
const isSource = /^(?:src|explorer|scripts)\/.*\.(?:tsx?|js|css)$/;
/** A line of a comment, in TypeScript, CSS or SQL, or one that ends with a comment. A link cannot be broken. */
const isComment = /^\s*(?:\/\/|\/\*\*?|\*|--) |\s\/\/ (?!.*['"`])/;

function findWideComments(path, source) {
  if (!isSource.test(path)) return [];
  return source.split('\n').flatMap((line, index) => {
    const width = Array.from(line).length;
    return width > maxColumns && isComment.test(line) && !/^\W*(?:@see )?https?:\S+$/.test(line)
      ? [`${path}:${index + 1}: a comment of ${width} columns → at most ${maxColumns}`]
      : [];
  });
}

/** Checks a folder that is laid out as this project. Returns the lines to print. */
function checkFolder(folder) {
  return [...roots, ...pages]
    .flatMap((path) => filesIn(folder, path))
    .filter((path) => isText.test(path) && !isLeftOut.test(path))
    .flatMap((path) => {
      const source = readFileSync(join(folder, path), 'utf8');
      return [...findWords(path, source), ...findWideComments(path, source)];
    });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const findings = checkFolder(process.argv[2] ?? fileURLToPath(new URL('..', import.meta.url)));
  for (const finding of findings) console.error(finding);
  if (findings.length > 0)
    console.error(`${findings.length} lines to change: see "Words" in CONTRIBUTING.md`);
  process.exitCode = findings.length > 0 ? 1 : 0;
}
