import { chmodSync, mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from '@jest/globals';

/** Creates a folder that the user of PostgreSQL can enter, if the tests run as root. */
export async function createTestFolder(): Promise<string> {
  return createFolder();
}

/** Creates a folder for all tests of the file, or of the `describe`, and removes it after them. */
export function useTestFolder(): string {
  const folder = createFolder();
  afterAll(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

function createFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'group-api-test-'));
  chmodSync(folder, 0o755);
  return folder;
}
