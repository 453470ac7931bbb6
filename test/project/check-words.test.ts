import { execFile } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from '@jest/globals';
import { createTestFolder } from '../support/test-folder.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** Runs `npm run check:words` on a folder with these files. */
async function checkWords(files: Record<string, string>) {
  const folder = await createTestFolder();
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
  return new Promise<[exitCode: number, lines: string[]]>((resolve) => {
    execFile(process.execPath, [join(root, 'scripts/check-words.js'), folder], (error, stdout, stderr) =>
      resolve([error ? Number(error.code) : 0, (stdout + stderr).split('\n').filter(Boolean)]),
    );
  });
}

const failureOf = (...lines: string[]) => [
  1,
  [...lines, `${lines.length} lines to change: see "Words" in CONTRIBUTING.md`],
];

test('npm run check:words prints file, line, the word and a better one, in every kind of text', async () => {
  const files = {
    'src/groups/group.ts': '/** A group. */\n// Refuses a name.\nconst openDoors = 1;\n',
    'explorer/main.tsx': '<p>Nobody is signed in</p>\n',
    'scripts/build.js': '// carried out\n',
    'docs/operations.md': 'Rows are deleted for good.\n',
    'schema.graphql': '"""\nThe rows behind the cursor.\n"""\ntype A\n',
    'README.md': '# A\n\nwhoever\n',
    'SECURITY.md': 'beside\n',
  };
  expect(await checkWords(files)).toStrictEqual(
    failureOf(
      'src/groups/group.ts:2: "Refuses" → reject, rejection, error',
      'src/groups/group.ts:3: "Doors" → endpoint',
      'explorer/main.tsx:1: "Nobody" → no one, no client',
      'scripts/build.js:1: "carried out" → executed',
      'docs/operations.md:1: "for good" → permanently',
      'schema.graphql:2: "behind" → after',
      'README.md:3: "whoever" → the caller',
      'SECURITY.md:1: "beside" → next to, in addition to, while … runs',
    ),
  );
});

test('npm run check:words finds a phrase that is broken by the end of a line in a comment', async () => {
  const files = {
    'src/a.ts': '/**\n * Returns the row that had\n * its time.\n */\n// at this\n// moment\n',
  };
  expect(await checkWords(files)).toStrictEqual(
    failureOf(
      'src/a.ts:2: "had its time" → expired',
      'src/a.ts:5: "at this moment" → currently, concurrently, at a time',
    ),
  );
});

test('npm run check:words checks titles and comments of tests, not their values', async () => {
  const files = {
    'test/a.test.ts': [
      "test('nobody', () => {});",
      "test.each(['nobody'])('beside %s', () => {});",
      '// unplanned',
      "expect(name).toBe('nobody');",
      "const url = 'http://nobody';",
    ].join('\n'),
  };
  expect(await checkWords(files)).toStrictEqual(
    failureOf(
      'test/a.test.ts:1: "nobody" → no one, no client',
      'test/a.test.ts:2: "beside" → next to, in addition to, while … runs',
      'test/a.test.ts:3: "unplanned" → unexpected',
    ),
  );
});

test('npm run check:words finds words that have several meanings in the wrong one only', async () => {
  const files = {
    'src/a.ts': [
      '// holds the lock; isHeld; threshold, household',
      '// the name is taken; takes an id; takes a second; takes precedence; is mistaken',
      "// behind a cursor; behind a proxy; behind a trusted proxy; differs ? 'behind' : 'ahead'",
      'const known = rows.map((found) => found.id); const knownIds = { given: known };',
      '// somebody',
    ].join('\n'),
  };
  expect(await checkWords(files)).toStrictEqual(
    failureOf(
      'src/a.ts:1: "holds" → locks, contains, stores',
      'src/a.ts:1: "Held" → locks, contains, stores',
      'src/a.ts:2: "is taken" → is accepted, is in use',
      'src/a.ts:2: "takes an id" → accepts',
      'src/a.ts:3: "behind" → after',
      'src/a.ts:4: "const known" → the thing: requestedIds, row',
      'src/a.ts:4: "(found) =>" → the thing: requestedIds, row',
      'src/a.ts:5: "somebody" → someone, the caller, each client',
    ),
  );
});

test('npm run check:words finds comments of the source with more than 120 columns, not code, links, tests or documents', async () => {
  const comment = (columns: number) => `// ${'…'.repeat(columns - 3)}\n`;
  const long = 'x'.repeat(120);
  const files = {
    'src/a.ts': `${comment(120)}${comment(121)}  ${comment(119)}const text = '${long}';\nlet a; // ${long}\n`,
    'src/sql.ts': `\`\n  -- ${long}\n\`;\n/** ${long} */\n/**\n * ${long}\n * @see https://example.com/${long}\n */\n`,
    'explorer/style.css': `/* ${long} */\n`,
    'scripts/build.js': `// ${long}\nconst url = 'http://a // ${long}';\n`,
    'test/a.test.ts': comment(121),
    'README.md': `${long}\n`,
  };
  expect(await checkWords(files)).toStrictEqual(
    failureOf(
      'src/a.ts:2: a comment of 121 columns → at most 120',
      'src/a.ts:3: a comment of 121 columns → at most 120',
      'src/a.ts:5: a comment of 130 columns → at most 120',
      'src/sql.ts:2: a comment of 125 columns → at most 120',
      'src/sql.ts:4: a comment of 127 columns → at most 120',
      'src/sql.ts:6: a comment of 123 columns → at most 120',
      'explorer/style.css:1: a comment of 126 columns → at most 120',
      'scripts/build.js:1: a comment of 123 columns → at most 120',
    ),
  );
});

test('npm run check:words accepts similar words, generated files, and the table in CONTRIBUTING.md', async () => {
  const files = {
    'src/a.ts': '// besides; indoor; ECONNREFUSED; room for more; the number of answers; for good reasons\n',
    'src/generated/a.ts': '// nobody\n',
    'docs/api.md': 'nobody\n',
    'CONTRIBUTING.md': '# A\n\n## Words\n\n| nobody | no one |\n',
  };
  expect(await checkWords(files)).toStrictEqual([0, []]);
});

test('npm run check:words checks the rest of CONTRIBUTING.md', async () => {
  const files = { 'CONTRIBUTING.md': '# A\n\n## Words\n\n| nobody | no one |\n\n## B\n\nunplanned\n' };
  expect(await checkWords(files)).toStrictEqual(failureOf('CONTRIBUTING.md:9: "unplanned" → unexpected'));
});

test('CONTRIBUTING.md has the table of npm run check:words', async () => {
  const script = join(root, 'scripts/check-words.js');
  const { swaps } = (await import(script)) as { swaps: { words: string; better: string }[] };
  const rows = readFileSync(join(root, 'CONTRIBUTING.md'), 'utf8')
    .split('\n')
    .filter((line) => line.startsWith('| '))
    .map((line) => line.replace(/ +/g, ' ').trim());
  expect(rows.slice(2)).toStrictEqual(swaps.map(({ words, better }) => `| ${words} | ${better} |`));
});
