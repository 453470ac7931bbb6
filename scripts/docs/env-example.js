import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build } from 'esbuild';

const root = join(import.meta.dirname, '../..');

/** Writes `.env.example`: every setting with its meaning and its default, as a comment. */
export async function writeEnvExample() {
  const { settings } = await loadSettings();
  const entries = Object.entries(settings).map(([name, { meaning, default: fallback, defaultText }]) => {
    const isPlain = ['string', 'number', 'boolean'].includes(typeof fallback);
    const text = `${meaning}${defaultText ? `. Default: ${defaultText}` : ''}`.replaceAll('`', '');
    return [...wrap(text), `#${name}=${isPlain ? fallback : ''}`].join('\n');
  });
  const head = [
    '# All settings with their defaults. Copy this file to .env, and remove the # in front of a setting to change it.',
    '# Variables of the environment take precedence. `group-api doctor` checks all of them.',
  ].join('\n');
  return `${[head, ...entries].join('\n\n')}\n`;
}

/** Loads the table of settings from its source, whether or not it has been built. */
async function loadSettings() {
  const folder = join(root, 'node_modules/.cache/group-api');
  const outfile = join(folder, `settings-${process.pid}.mjs`);
  mkdirSync(folder, { recursive: true });
  await build({
    entryPoints: [join(root, 'src/config/settings.ts')],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    packages: 'external',
  });
  try {
    return await import(pathToFileURL(outfile).href);
  } finally {
    rmSync(outfile);
  }
}

/** Breaks a text into comment lines. */
function wrap(text) {
  const lines = ['#'];
  for (const word of text.split(' ')) {
    const line = `${lines.at(-1)} ${word}`;
    if (line.length <= 100) lines.splice(-1, 1, line);
    else lines.push(`# ${word}`);
  }
  return lines;
}
