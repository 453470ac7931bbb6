import { isUtf8 } from 'node:buffer';

/** One setting of an `.env` file. */
export type EnvEntry = { readonly name: string; readonly value: string; readonly line: number };

/** The settings of an `.env` file, and its problems: each names its line, never a value, which may be a secret. */
type EnvFile = { readonly entries: readonly EnvEntry[]; readonly problems: readonly string[] };

const assignment = /^(?:export\s+)?([A-Za-z_][\w.-]*)\s*=(.*)$/s;
/** A line inside a quoted value that looks like a setting or a comment: the closing quote is probably missing. */
const strayLine = /^\s*(#|(export\s+)?[A-Za-z_]\w*\s*=\s*[^=\s])/;

/**
 * Parses `.env`: lines of `NAME=value`, comments, and quoted values, which may span lines. Accepts only what Node's
 * parser and `dotenv` read alike; text that they read differently or silently drop is a problem.
 */
export function parseEnvFile(bytes: Buffer): EnvFile {
  const decoded = decode(bytes);
  if ('problem' in decoded) return { entries: [], problems: [decoded.problem] };
  const lines = decoded.text.split(/\r\n|\n|\r/);
  const entries: EnvEntry[] = [];
  const problems: string[] = [];

  for (let index = 0; index < lines.length; index++) {
    const text = lines[index]!.trim();
    const line = index + 1;
    if (text === '' || text.startsWith('#')) continue;
    try {
      const [, name, start] = matchAssignment(text);
      const { value, lineCount } = readValue(start!, () => lines.slice(index + 1));
      entries.push({ name: name!, value, line });
      index += lineCount - 1;
    } catch (error) {
      problems.push(describeProblem(line, (error as Error).message));
    }
  }
  return { entries, problems };
}

/** Formats a problem with a line of `.env`. */
export function describeProblem(line: number, problem: string): string {
  return `.env, line ${line}: ${problem}`;
}

type Decoded = { readonly text: string } | { readonly problem: string };

/** Detects the encoding by the byte order mark that Windows editors write; the default is UTF-8. */
function decode(bytes: Buffer): Decoded {
  const encoding = readEncoding(bytes);
  if (encoding === 'utf-8' && !isUtf8(bytes)) {
    return { problem: describeProblem(findBadLine(bytes), 'not valid UTF-8. Save the file as UTF-8') };
  }
  let text: string;
  try {
    text = new TextDecoder(encoding, { fatal: true }).decode(bytes);
  } catch {
    return { problem: '.env ends in the middle of a UTF-16 character. Save it as UTF-8' };
  }
  const nulAt = text.indexOf('\0');
  if (nulAt === -1) return { text };
  const line = text.slice(0, nulAt).split(/\r\n|\n|\r/).length;
  return { problem: describeProblem(line, 'contains a NUL character. Save the file as UTF-8') };
}

function readEncoding(bytes: Buffer): 'utf-8' | 'utf-16le' | 'utf-16be' {
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return 'utf-16le';
  return bytes[0] === 0xfe && bytes[1] === 0xff ? 'utf-16be' : 'utf-8';
}

/** Returns the first line that is not UTF-8. No byte of a multi-byte character is a line break. */
function findBadLine(bytes: Buffer): number {
  const lines = bytes.toString('latin1').split(/\r\n|\n|\r/);
  return lines.findIndex((line) => !isUtf8(Buffer.from(line, 'latin1'))) + 1;
}

function matchAssignment(text: string): RegExpExecArray {
  const match = assignment.exec(text);
  if (!match) throw new Error('expected NAME=value, an empty line, or a comment that starts with #');
  return match;
}

/**
 * Parses the text after the equals sign. `following` returns the lines after it.
 * @throws Error that describes the problem with the value.
 */
function readValue(text: string, following: () => string[]): { value: string; lineCount: number } {
  const start = text.trimStart();
  const quote = /^["'`]/.exec(start)?.[0];
  if (quote !== undefined) return readQuoted(quote, start, following);
  const [value = ''] = text.split(/\s#/);
  if (value.includes('#')) {
    throw new Error('quote the value: it contains a #, which may start a comment or be part of the value');
  }
  return { value: value.trim(), lineCount: 1 };
}

function readQuoted(quote: string, start: string, following: () => string[]) {
  let text = start.slice(1);
  let lineCount = 1;
  if (!text.includes(quote)) {
    const more = following();
    const last = more.findIndex((line) => line.includes(quote));
    const inside = more.slice(0, last + 1);
    if (last === -1 || inside.some((line) => strayLine.test(line))) {
      throw new Error(`the value starts with ${quote}, but has no closing ${quote}`);
    }
    text = [text, ...inside].join('\n');
    lineCount += inside.length;
  }
  const end = text.indexOf(quote);
  if (!/^\s*(#.*)?$/.test(text.slice(end + 1))) {
    throw new Error(`text follows the closing ${quote}. Quote the value with another of " ' and \``);
  }
  const value = text.slice(0, end);
  return { value: quote === '"' ? value.replaceAll('\\n', '\n') : value, lineCount };
}
