import { execFile } from 'node:child_process';
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from '@jest/globals';
import type { RunAs } from '../../src/embedded-postgres/service-user.ts';

type Block = { readonly language: string; readonly text: string };

/** Reads the fenced blocks below a heading of a document, up to the next heading. */
export async function readBlocks(document: string, heading: string): Promise<Block[]> {
  const text = await readFile(new URL(`../../${document}`, import.meta.url), 'utf8');
  const sections = text.split(/^#+ /m);
  const section = sections.find((candidate) => candidate.startsWith(`${heading}\n`))!;
  return [...section.matchAll(/^```(\w+)\n([^]*?)^```$/gm)].map(([, language, block]) => ({
    language: language!,
    text: block!,
  }));
}

/** Replaces an example value of a block, which must contain it. */
export function withValue(text: string, example: string, value: string): string {
  expect(text).toContain(example);
  return text.replaceAll(example, value);
}

type Shell = {
  readonly folder: string;
  readonly runAs: RunAs;
  readonly env: Readonly<Record<string, string>>;
  /** Programs by name that replace those of the system, as shell scripts. */
  readonly programs?: Readonly<Record<string, string>>;
};

/** Returns a function that runs a block, and stops at the first command that fails. Rejects with what it printed. */
export async function createShell({ folder, runAs, env, programs = {} }: Shell) {
  const bin = join(folder, 'bin');
  await mkdir(bin, { recursive: true });
  for (const [name, script] of Object.entries(programs)) {
    await writeFile(join(bin, name), `#!/bin/sh\n${script}\n`);
    await chmod(join(bin, name), 0o755);
  }
  const path = `${bin}:/usr/lib/postgresql/15/bin:${process.env['PATH']}`;
  return async (script: string): Promise<string> => {
    const { stdout } = await promisify(execFile)('sh', ['-ec', script], {
      ...runAs,
      cwd: folder,
      env: { PATH: path, HOME: folder, ...env },
    });
    return stdout;
  };
}
